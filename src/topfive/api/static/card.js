/** Shows one prediction: its picture where that was dropped, its classes, and what is known of it. */

import { make } from './classes.js';
import { milliseconds, percent, sizeOf } from './words.js';

const $ = (id) => document.getElementById(id);
const shown = { url: '', file: undefined };

/** Show a prediction. */
export function showPrediction(prediction) {
  const [best] = prediction.predictions;
  $('card-title').textContent = `Most likely: ${best.class_name}, ${percent(best.confidence)}`;
  $('card-about').textContent = `${reference(prediction)}, ${timeOf(prediction.created_at)}`;
  showLabel(prediction.label);
  $('suggestions').replaceChildren(...prediction.predictions.map((one, at) => (
    suggestion(one, at, prediction.label)
  )));
  $('card-facts').replaceChildren(...factsOf(prediction).map(fact));
  $('card').hidden = false;
}

/** Show none. */
export function hidePrediction() {
  $('card').hidden = true;
  showFile(undefined, '');
}

/** Show the file that was classified; without one say `words`. */
export function showFile(file, words) {
  if (file !== shown.file) change(file);
  $('preview').hidden = !file;
  $('no-picture').hidden = Boolean(file);
  $('no-picture').textContent = words;
}

function change(file) {
  if (shown.url) URL.revokeObjectURL(shown.url);
  Object.assign(shown, { file, url: file ? URL.createObjectURL(file) : '' });
  if (file) $('preview-image').src = shown.url;
  else $('preview-image').removeAttribute('src');
  $('preview-image').hidden = !file;
  $('preview-caption').textContent = file ? `${file.name}, ${sizeOf(file)}` : '';
}

/** Show that an answer is waited for. */
export function showBusy(isBusy) {
  $('card').setAttribute('aria-busy', String(isBusy));
  for (const one of $('card').querySelectorAll('.suggestions button, #skip')) {
    one.setAttribute('aria-disabled', String(isBusy));
  }
}

/** The class that a click chose; undefined for a click elsewhere. */
export function classAt(element) {
  const button = element.closest?.('.suggestions button');
  return button ? Number(button.dataset.id) : undefined;
}

/** Name a class in words that a person reads in a sentence. */
export const quoted = (name) => `“${name}”`;

function showLabel(label) {
  $('card-label').hidden = !label;
  if (!label) return;
  const who = label.source === 'person' ? 'a person' : 'a system';
  const said = `Labelled ${quoted(label.class_name)} by ${who}, ${timeOf(label.labelled_at)}.`;
  const place = label.rank ? '' : ' It is not among the five classes below.';
  $('card-label').textContent = said + place;
}

function suggestion(one, at, label) {
  const item = make('li');
  const button = make('button', 'suggestion plain');
  button.type = 'button';
  button.dataset.id = one.class_id;
  button.setAttribute('aria-keyshortcuts', String(at + 1));
  if (label?.class_id === one.class_id) button.setAttribute('aria-current', 'true');
  const key = make('kbd', '', String(at + 1));
  key.setAttribute('aria-hidden', 'true');
  button.append(key, ' ', make('span', 'label', one.class_name), ' ',
    make('span', 'percent', percent(one.confidence)), bar(one.confidence));
  item.append(button);
  return item;
}

function bar(share) {
  const [track, fill] = [make('span', 'bar'), make('span', 'fill')];
  fill.style.width = `${Math.min(1, Math.max(0, share)) * 100}%`;
  track.setAttribute('aria-hidden', 'true');
  track.append(fill);
  return track;
}

function factsOf(one) {
  return [
    ['Prediction', one.id],
    ['Request', one.position > 0 ? `${one.request_id}, picture ${one.position + 1}` : one.request_id],
    ['Picture', one.picture_sha256 ?? 'none: prepared pixels were sent'],
    ['Model', `${reference(one)}, bundle ${one.model_digest.slice(0, 12)}`],
    ['Route', one.alias ? `${one.route}, by the model route ${one.alias}` : one.route],
    ['Took', milliseconds(one.timing_ms.total)],
    ['API key', one.api_key_id ?? 'none'],
  ];
}

function fact([name, value]) {
  const pair = make('div');
  pair.append(make('dt', '', name), make('dd', '', value));
  return pair;
}

const reference = ({ model }) => `${model.name}@${model.version}`;

/** A time as people read it: UTC, to the minute. */
export const timeOf = (text) => `${text.slice(0, 10)} ${text.slice(11, 16)} UTC`;

// An error is a format that the browser does not show, such as TIFF.
$('preview-image').addEventListener('error', () => {
  if (!shown.file) return;
  $('preview-image').hidden = true;
  $('preview-caption').textContent = `${shown.file.name}: the browser does not show this format.`;
});
