/** Shows classes as bars, and says whether the best one may be called an answer. */

import { number, percent } from './words.js';

// Of 100 ImageNet photos, MobileNetV2 was right with 4 of the 19 to which it gave less than 30%, and
// with 72 of the 81 others. Where there are few classes a blind guess alone gives much, so the share
// is counted from there: with 1,000 classes it is 30%, with 10 it is 37%, with 2 it is 65%.
const SURE_FROM = 0.3;

/** Tell whether the best class stands out enough; `count` is how many classes the model has. */
export function isSure(confidence, count) {
  const guess = count > 1 ? 1 / count : 0;
  return (confidence - guess) / (1 - guess) >= SURE_FROM;
}

/**
 * Show the classes, and below them all others together, so that the bars add up. `at` finds the
 * elements of the column that they are for.
 */
export function showClasses(at, predictions, count) {
  const sure = isSure(predictions[0].confidence, count);
  at('result').className = sure ? 'sure' : 'unsure';
  at('verdict').textContent = sure ? 'Most likely classes' : 'Not sure';
  at('doubt').textContent = 'No class stands out. These are the most likely ones:';
  at('doubt').hidden = sure;
  at('classes').replaceChildren(...predictions.map((one) => {
    const row = document.createElement('li');
    row.append(...cells(one.class_name, one.confidence));
    return row;
  }));
  showOthers(at('others'), predictions, count);
  return sure;
}

function showOthers(others, predictions, count) {
  const left = count - predictions.length;
  const share = 1 - predictions.reduce((sum, one) => sum + one.confidence, 0);
  others.replaceChildren(...cells(named(left), share));
  others.hidden = count > 0 && left <= 0;
}

function named(left) {
  if (left < 1) return 'all other classes';
  return left === 1 ? '1 other class' : `${number(left, 0)} other classes`;
}

function cells(name, share) {
  const bar = make('div', 'bar');
  const fill = make('div', 'fill');
  fill.style.width = `${Math.min(1, Math.max(0, share)) * 100}%`;
  bar.setAttribute('aria-hidden', 'true');
  bar.append(fill);
  return [make('span', 'label', name), make('span', 'percent', percent(share)), bar];
}

/** Make an element with a class and a text. */
export function make(tag, className = '', text = '') {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
