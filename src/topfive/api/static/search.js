/** Finds a class by part of its name: a field with a list below it (an ARIA combobox). */

import { make } from './classes.js';
import { number } from './words.js';

const MOST = 8;

const $ = (id) => document.getElementById(id);
// The names of all classes, those found, which of them is marked, and who is told.
const now = { names: null, found: [], marked: 0, onChoose: () => {}, onLeave: () => {} };

/** Call `onChoose` with a class's id, `onLeave` when the field is left by Escape. */
export function whenFound(onChoose, onLeave) {
  Object.assign(now, { onChoose, onLeave });
}

/** Let these classes be found; null: they are not known yet. */
export function offerClasses(names) {
  now.names = names;
  find();
}

/** Empty the field. */
export function clearSearch() {
  $('search').value = '';
  find();
}

export const beginSearch = () => $('search').focus();

/** The ids of the classes that fit best: whole words first, then beginnings, then any part. */
export function bestMatches(names, text, most = MOST) {
  const wanted = folded(text);
  if (!wanted) return [];
  const ranked = names.map((name, id) => [rank(folded(name), id, wanted), name.length, id]);
  return ranked.filter(([place]) => place < NONE)
    .sort((one, other) => one[0] - other[0] || one[1] - other[1] || one[2] - other[2])
    .slice(0, most).map(([, , id]) => id);
}

const NONE = 5;

function rank(name, id, wanted) {
  if (name === wanted || String(id) === wanted) return 0;
  if (` ${name} `.includes(` ${wanted} `)) return 1;
  if (name.startsWith(wanted)) return 2;
  if (name.includes(` ${wanted}`)) return 3;
  return name.includes(wanted) ? 4 : NONE;
}

/** A text without case, accents and all that is neither letter nor digit. */
function folded(text) {
  const plain = text.normalize('NFKD').toLowerCase().replace(/\p{M}/gu, '');
  return plain.replace(/[^\p{L}\p{N}]+/gu, ' ').trim();
}

function find() {
  const text = $('search').value;
  now.found = now.names ? bestMatches(now.names, text) : [];
  now.marked = 0;
  $('found').replaceChildren(...now.found.map(option));
  $('found').hidden = now.found.length === 0;
  $('search').setAttribute('aria-expanded', String(now.found.length > 0));
  $('search-hint').textContent = hint(text);
  mark(0);
}

function hint(text) {
  if (!now.names) return text ? 'The names of the classes are not here yet.' : '';
  if (!text.trim()) return `Type part of its name: there are ${number(now.names.length, 0)} classes.`;
  if (now.found.length === 0) return 'No class of this model has that in its name.';
  return now.found.length < MOST ? '' : `These fit best; type more for others.`;
}

function option(id) {
  const name = now.names[id];
  const isAlone = now.names.indexOf(name) === now.names.lastIndexOf(name);
  const item = make('li', '', isAlone ? name : `${name} (${id})`);
  item.id = `found-${id}`;
  item.setAttribute('role', 'option');
  item.dataset.id = id;
  return item;
}

function mark(at) {
  const items = [...$('found').children];
  now.marked = items.length > 0 ? (at + items.length) % items.length : 0;
  for (const [place, item] of items.entries()) {
    item.setAttribute('aria-selected', String(place === now.marked));
  }
  items[now.marked]?.scrollIntoView({ block: 'nearest' });
  if (items[now.marked]) $('search').setAttribute('aria-activedescendant', items[now.marked].id);
  else $('search').removeAttribute('aria-activedescendant');
}

const KEYS = {
  ArrowDown: () => mark(now.marked + 1),
  ArrowUp: () => mark(now.marked - 1),
  Enter: () => choose(now.found[now.marked]),
  Escape: () => { clearSearch(); now.onLeave(); },
};

function choose(id) {
  if (id !== undefined) now.onChoose(id);
}

$('search').addEventListener('input', find);
$('search').addEventListener('keydown', (event) => {
  if (event.isComposing || !Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  if (!event.repeat || event.key.startsWith('Arrow')) KEYS[event.key]();
});
$('found').addEventListener('click', ({ target }) => {
  const item = target.closest('[role=option]');
  if (item) choose(Number(item.dataset.id));
});
