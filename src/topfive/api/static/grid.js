/** Shows many pictures as tiles: each with its best class, or what went wrong. */

import { isSure, make } from './classes.js';
import { forgetThumbnails, showWhenNear } from './thumbnails.js';
import { percent } from './words.js';

const WORDS = { waiting: 'Waiting', sent: 'Looking …' };

const $ = (id) => document.getElementById(id);
const tiles = new Map();

/** Have a tile for each picture. */
export function layOut(pictures) {
  forgetThumbnails();
  tiles.clear();
  for (const one of pictures) tiles.set(one, newTile(one));
  $('grid').replaceChildren(...tiles.values());
}

/** Show what has become of a picture; `count` is how many classes its model has. */
export function showState(picture, count) {
  const tile = tiles.get(picture);
  tile.dataset.state = picture.state;
  tile.querySelector('button').disabled = !picture.isSettled;
  tile.querySelector('.told').replaceChildren(...words(picture, count));
}

/** The picture whose tile holds an element; undefined for any other element. */
export function pictureOf(element) {
  const tile = element.closest?.('.tile');
  return tile && [...tiles].find(([, one]) => one === tile)?.[0];
}

export const focusTile = (picture) => tiles.get(picture).querySelector('button').focus();

function newTile(picture) {
  const { name } = picture;
  const tile = make('li', 'tile');
  const button = make('button');
  const thumbnail = make('span', 'thumbnail', kindOf(name));
  button.type = 'button';
  button.disabled = true;
  button.title = name;
  const file = make('span', 'file quiet', name.split('/').at(-1));
  button.append(thumbnail, ' ', make('span', 'told'), ' ', file);
  tile.append(button);
  showWhenNear(thumbnail, picture.file);
  return tile;
}

const kindOf = (name) => (/\.\w{2,5}$/.exec(name)?.[0] ?? '').slice(1).toUpperCase();

function words({ state, result, error }, count) {
  if (error) return [make('span', 'wrong', error.detail)];
  if (!result) return [make('span', 'quiet', WORDS[state])];
  const [{ class_name: name, confidence }] = result.predictions;
  const best = make('span', 'best', name);
  const bar = make('span', 'bar');
  const fill = make('span', 'fill');
  fill.style.width = `${Math.min(1, Math.max(0, confidence)) * 100}%`;
  bar.setAttribute('aria-hidden', 'true');
  bar.append(fill);
  const doubt = isSure(confidence, count) ? [] : [make('span', 'quiet doubtful', 'Not sure:')];
  return [...doubt, ' ', best, ' ', make('span', 'share', percent(confidence)), bar];
}
