/** Shows what became of one picture. Words from the server only ever become text. */

import { make, showClasses } from './classes.js';
import { isShown, renewModel, shownModel } from './model.js';
import { milliseconds, percent, seconds, sizeOf } from './words.js';

const STEPS = ['queue', 'decode', 'inference'];

const $ = (id) => document.getElementById(id);
const shown = { url: '', countdown: 0 };

/** Show the picture itself, as the browser reads it. */
export function showPreview(file) {
  if (shown.url) URL.revokeObjectURL(shown.url);
  shown.url = URL.createObjectURL(file);
  showImage(true);
  $('preview-image').src = shown.url;
  $('preview-caption').textContent = `${file.name || 'Pasted picture'}, ${sizeOf(file)}`;
  $('preview').hidden = false;
}

// An error is a format that the browser does not show, such as TIFF.
$('preview-image').addEventListener('error', () => showImage(false));

function showImage(isShown) {
  $('preview-image').hidden = !isShown;
  $('outcome').classList.toggle('hidden-picture', !isShown);
}

$('preview-image').addEventListener('load', ({ target }) => {
  // Small pictures, such as a digit, fill the width; large ones never grow over their own size.
  $('preview').classList.toggle('small', target.naturalWidth < 480);
});

/** Show words in place of an answer: what goes on, or what is missing. */
export function showProgress(words) {
  clear();
  $('progress').classList.remove('unseen');
  say($('progress'), words);
  keepHeadInView();
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
  keepHeadInView();
}

/** Show the classes, who answered and where the time went. */
export async function showResult(body, file, elapsedMs, isCurrent) {
  if (!isShown(body.model)) await renewModel().catch(() => {});
  if (!isCurrent()) return;
  clear();
  const model = isShown(body.model) ? shownModel() : { readable: body.model.name, classes: 0 };
  const sure = showClasses(body.predictions, model.classes);
  const most = body.predictions.map(spoken).join(', ');
  $('progress').classList.add('unseen'); // heard, and seen below
  say($('progress'), `${sure ? 'The' : 'Not sure. The'} most likely classes: ${most}.`);
  showModel(body, model);
  showTiming(body.timing_ms, elapsedMs);
  $('raw').textContent = JSON.stringify(body, null, 2);
  const { format, width, height } = body.image;
  $('preview-caption').textContent = `${format}, ${width} × ${height} pixels, ${sizeOf(file)}`;
  $('result').hidden = false;
  keepHeadInView();
}

const spoken = ({ class_name: name, confidence }) => `${name} ${percent(confidence)}`;

/** The answer stands near the top: from there, neither it nor the head of the page is cut off. */
const keepHeadInView = () => scrollTo({ top: 0 });

function clear() {
  clearInterval(shown.countdown);
  say($('progress'), '');
  for (const id of ['failure', 'again-line', 'result']) $(id).hidden = true;
  $('outcome').hidden = false;
}

function showModel(body, model) {
  $('by-name').textContent = model.readable;
  $('by-name').title = model.tooltip ?? `${body.model.name}, version ${body.model.version}`;
  const isStandIn = body.degraded ?? model.isStandIn ?? false;
  const words = `This answer is from ${model.readable}, which stands in for ${shownModel().desired}.`;
  say($('stand-in'), isStandIn ? words : '');
}

function showTiming(timing, elapsedMs) {
  $('times-title').textContent = `Took ${milliseconds(timing.total)}`;
  $('split').replaceChildren(...STEPS.map((step) => segment(step, timing[step] / timing.total)));
  $('timing').replaceChildren(
    ...[...STEPS, 'total'].map((step) => timed(step, timing[step])),
  );
  $('elapsed').textContent = `${milliseconds(elapsedMs)} with the way there and back.`;
}

function segment(step, share) {
  const part = make('div', step);
  part.style.width = `${Math.min(1, Math.max(0, share)) * 100}%`;
  return part;
}

function timed(step, value) {
  const pair = make('div', step);
  pair.append(make('dt', '', step), make('dd', '', milliseconds(value)));
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
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === '';
}
