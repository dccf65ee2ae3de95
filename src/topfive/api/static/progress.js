/** Tells how far many pictures are, why they wait, and what ended it. */

import { countDown } from './countdown.js';
import { say } from './outcome.js';
import { beyondTitle, number, seconds } from './words.js';

const $ = (id) => document.getElementById(id);
const clock = { stop() {} };

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
  clock.stop();
  say($('many-wait'), '');
  $('many-failure').hidden = !problem;
  if (!problem) return;
  const { title, more = '' } = problem;
  $('many-failure-title').textContent = title;
  say($('many-failure-detail'), beyondTitle(problem));
  say($('many-failure-more'), more);
}

/** Say why nothing goes on now, and for how long; null: it goes on. */
export function showWait(failure, waitS) {
  clock.stop();
  if (!failure) return say($('many-wait'), '');
  const { title } = failure.problem;
  announce(`${title} It goes on in ${seconds(Math.ceil(waitS))}.`);
  return renewCountdown(waitS, (left) => say($('many-wait'), `${title} It goes on in ${seconds(left)}.`));
}

/** Call `show` with the seconds that are left, and end the countdown that went on before. */
export function renewCountdown(waitS, show) {
  clock.stop();
  clock.stop = countDown(waitS, show);
}

/** Tell it to a screen reader, once; the eyes see it change all the time. */
export function announce(words) {
  $('many-said').textContent = words;
}
