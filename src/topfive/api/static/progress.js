/** Tells how far many pictures are, why they wait, and what ended it. */

import { say } from './outcome.js';
import { number, seconds } from './words.js';

const $ = (id) => document.getElementById(id);
const clock = { timer: 0 };

/** Say a number of pictures. */
export const counted = (count) => (count === 1 ? '1 picture' : `${number(count, 0)} pictures`);

/** Show how many are done, and what can be done now. */
export function showProgress(pictures, isRunning) {
  const count = (isOne) => pictures.filter(isOne).length;
  const answered = count((one) => one.state === 'answered');
  const failed = count((one) => one.state === 'failed');
  const left = pictures.length - answered - failed;
  const again = count((one) => one.mayBeTriedAgain);
  $('many-title').textContent = counted(pictures.length);
  $('many-count').textContent = [
    `${number(answered, 0)} classified`,
    failed > 0 ? `${number(failed, 0)} failed` : '',
    left > 0 ? `${number(left, 0)} to go` : '',
  ].filter(Boolean).join(', ');
  Object.assign($('many-progress'), { max: pictures.length, value: answered + failed });
  $('many-progress').hidden = left === 0;
  $('cancel').hidden = !isRunning;
  $('resume').hidden = isRunning || (left === 0 && again === 0);
  $('resume').disabled = false;
  $('resume').textContent = left > 0 ? 'Go on' : `Try ${counted(again)} again`;
  for (const id of ['csv', 'json-file']) $(id).disabled = answered + failed === 0;
}

/** Say how many files of a folder were not taken. */
export function showLeftOut(count) {
  const words = count === 1
    ? '1 other file in the folder is no picture and was left out.'
    : `${number(count, 0)} other files in the folder are no pictures and were left out.`;
  say($('many-left-out'), count > 0 ? words : '');
}

/** Show what ended it; null: nothing did. */
export function showFailure(problem) {
  clearInterval(clock.timer);
  say($('many-wait'), '');
  $('many-failure').hidden = !problem;
  if (!problem) return;
  const { title, detail = '', more = '' } = problem;
  const rest = detail.startsWith(title) ? detail.slice(title.length).trim() : detail;
  $('many-failure-title').textContent = title;
  say($('many-failure-detail'), rest);
  say($('many-failure-more'), more);
}

/** Say why nothing goes on now, and for how long; null: it goes on. */
export function showWait(failure, waitS) {
  clearInterval(clock.timer);
  if (!failure) return say($('many-wait'), '');
  const { title } = failure.problem;
  announce(`${title} It goes on in ${seconds(Math.ceil(waitS))}.`);
  return countDown(waitS, (left) => say($('many-wait'), `${title} It goes on in ${seconds(left)}.`));
}

/** Call `show` with the seconds that are left, until none are. */
export function countDown(waitS, show) {
  const end = performance.now() + waitS * 1000;
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    show(left);
    if (left === 0) clearInterval(clock.timer);
  };
  clearInterval(clock.timer);
  clock.timer = setInterval(tick, 250);
  tick();
}

/** Tell it to a screen reader, once; the eyes see it change all the time. */
export function announce(words) {
  $('many-said').textContent = words;
}
