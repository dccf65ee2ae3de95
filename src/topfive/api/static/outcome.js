/** Shows what became of one picture. Words from the server only ever become text. */

import { milliseconds, percent, seconds, sizeOf } from './words.js';

const STEPS = ['queue', 'decode', 'inference'];

const $ = (id) => document.getElementById(id);
const shown = { url: '', countdown: 0 };

/** Show the picture itself, as the browser reads it. */
export function showPreview(file) {
  if (shown.url) URL.revokeObjectURL(shown.url);
  shown.url = URL.createObjectURL(file);
  $('preview-image').hidden = false;
  $('preview-image').src = shown.url;
  $('preview-caption').textContent = `${file.name || 'Pasted picture'}, ${sizeOf(file)}`;
  $('preview').hidden = false;
}

$('preview-image').addEventListener('error', () => {
  $('preview-image').hidden = true; // a format that the browser does not show, such as TIFF
});

export function showProgress(words) {
  clear();
  $('progress').classList.remove('unseen');
  say($('progress'), words);
}

/** Show a failure; with `again` it may be tried again, after `waitS` seconds. */
export function showFailure({ title, detail = '', more = '' }, { again = false, waitS = 0 } = {}) {
  clear();
  const rest = detail.startsWith(title) ? detail.slice(title.length) : detail;
  const wait = again && waitS > 0 ? `Wait ${seconds(waitS)}.` : '';
  $('failure-title').textContent = title;
  say($('failure-detail'), `${rest.trim()} ${wait}`.trim());
  say($('failure-more'), more);
  $('failure').hidden = false;
  $('again-line').hidden = !again;
  countDown(again ? waitS : 0);
  bringIntoView();
}

/** Show the classes, who answered and where the time went. */
export function showResult(body, file, elapsedMs) {
  clear();
  $('progress').classList.add('unseen'); // heard, and seen below
  say($('progress'), `The most likely classes: ${body.predictions.map(spoken).join(', ')}.`);
  $('classes').replaceChildren(...body.predictions.map(classRow));
  $('by-name').textContent = body.model.name;
  $('by-version').textContent = body.model.version;
  showTiming(body.timing_ms, elapsedMs);
  $('raw').textContent = JSON.stringify(body, null, 2);
  const { format, width, height } = body.image;
  $('preview-caption').textContent = `${format}, ${width} × ${height} pixels, ${sizeOf(file)}`;
  $('result').hidden = false;
  bringIntoView();
}

const bringIntoView = () => $('outcome').scrollIntoView({ block: 'nearest' });
const spoken = ({ class_name: name, confidence }) => `${name} ${percent(confidence)}`;

function clear() {
  clearInterval(shown.countdown);
  say($('progress'), '');
  for (const id of ['failure', 'again-line', 'result']) $(id).hidden = true;
  $('outcome').hidden = false;
}

function classRow({ class_name: name, confidence }) {
  const row = make('li');
  const bar = make('div', 'bar');
  const fill = make('div', 'fill');
  fill.style.width = `${Math.min(1, Math.max(0, confidence)) * 100}%`;
  bar.setAttribute('aria-hidden', 'true');
  bar.append(fill);
  row.append(make('span', 'label', name), make('span', 'percent', percent(confidence)), bar);
  return row;
}

function showTiming(timing, elapsedMs) {
  $('split').replaceChildren(...STEPS.map((step) => segment(step, timing[step] / timing.total)));
  $('timing').replaceChildren(
    ...STEPS.map((step) => timed(step, step, timing[step])),
    timed('total', 'total', timing.total),
  );
  $('round-trip').textContent = `${milliseconds(elapsedMs)} with the way there and back.`;
}

function segment(step, share) {
  const part = make('div', step);
  part.style.width = `${Math.min(1, Math.max(0, share)) * 100}%`;
  return part;
}

function timed(step, label, value) {
  const pair = make('div', step);
  pair.append(make('dt', '', label), make('dd', '', milliseconds(value)));
  return pair;
}

function countDown(waitS) {
  const button = $('again');
  const end = performance.now() + waitS * 1000;
  const tick = () => {
    const left = Math.ceil((end - performance.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${seconds(left)}` : 'Try again';
    if (left > 0) return;
    clearInterval(shown.countdown);
    if (waitS > 0) announce('You can try again now.');
  };
  shown.countdown = setInterval(tick, 250);
  tick();
}

/** Tell it to a screen reader; the eyes see the button change. */
function announce(words) {
  $('progress').classList.add('unseen');
  say($('progress'), words);
}

/** Set an element's text; without any it is not shown. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === '';
}

function make(tag, className = '', text = '') {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
