/** Looks closely at one of many pictures, and from there at its neighbours. */

import { focusTile, pictureOf } from './grid.js';
import { number } from './words.js';

const $ = (id) => document.getElementById(id);
// All pictures, the one that is looked at, and who is told.
const now = { pictures: [], open: null, onOpen: () => {}, onClose: () => {} };

/** Call `onOpen` with a picture that is to be looked at closely, `onClose` when none is any more. */
export function whenOpened(onOpen, onClose) {
  Object.assign(now, { onOpen, onClose });
}

/** Let these be looked at; none is looked at now. */
export function offer(pictures) {
  now.pictures = pictures;
  close();
}

function open(picture) {
  now.open = picture;
  const at = now.pictures.indexOf(picture) + 1;
  $('closer-name').textContent = picture.name;
  $('closer-place').textContent = `${number(at, 0)} of ${number(now.pictures.length, 0)}`;
  $('previous').disabled = !neighbour(-1);
  $('next').disabled = !neighbour(1);
  show(true);
  now.onOpen(picture);
}

function close() {
  if (!now.open) return;
  const left = now.open;
  now.open = null;
  show(false);
  now.onClose();
  if (now.pictures.includes(left)) focusTile(left);
}

function show(isClose) {
  $('grid').hidden = isClose;
  $('closer').hidden = !isClose;
}

/** The next settled picture in a direction; undefined where there is none. */
function neighbour(step) {
  let at = now.pictures.indexOf(now.open) + step;
  while (now.pictures[at] && !now.pictures[at].isSettled) at += step;
  return now.pictures[at];
}

function go(step, button, opposite) {
  open(neighbour(step));
  (button.disabled ? opposite : button).focus({ preventScroll: true });
}

$('grid').addEventListener('click', ({ target }) => {
  const picture = pictureOf(target);
  if (!picture?.isSettled) return;
  open(picture);
  $('back').focus({ preventScroll: true });
});
$('back').addEventListener('click', close);
$('previous').addEventListener('click', () => go(-1, $('previous'), $('next')));
$('next').addEventListener('click', () => go(1, $('next'), $('previous')));
document.addEventListener('keydown', ({ key, target }) => {
  if (key === 'Escape' && !target.matches('select, input')) close();
});
