/** Asks the chosen models about the picture, one after the other, and says whether they agree. */

import { agreementOf } from './agreement.js';
import { forgetHeatmaps, offerHeatmaps } from './explaining.js';
import { askForKey, isMissing } from './key.js';
import { checkHealth } from './model.js';
import { Column, say } from './outcome.js';
import { choice, listedModel, modelsKnown, queryOf, renewModels } from './picker.js';
import { describePreview } from './preview.js';
import { send } from './send.js';

const GONE = ['model_not_found', 'model_unavailable'];

const $ = (id) => document.getElementById(id);
const [first, second] = [new Column(''), new Column('-2')];
const now = { running: null };

/** Give up what is under way, if anything, and make the controller of what begins. */
export function begin() {
  now.running?.abort();
  now.running = new AbortController();
  return now.running;
}

/** Forget the answers: they were of another picture. */
export function forget() {
  forgetHeatmaps();
  for (const one of [first, second]) one.forget();
}

/** Forget failures alone: what failed for want of a good key is asked again. */
export function forgetFailures() {
  for (const one of [first, second]) if (!one.answer) one.forget();
}

/** Have the column of a button "Try again" asked again; false for any other element. */
export function forgetColumnOf(button) {
  const column = [first, second].find((one) => one.at('again') === button);
  column?.forget();
  return column !== undefined;
}

/** Show a failure that has nothing to do with any model. */
export function showFailure(problem) {
  arrange(['', '']);
  first.showFailure(problem);
}

/** Show what a model has already said of a picture: an answer, as `send` tells it, or a failure. */
export async function recall(reference, sent, picture) {
  const { signal } = begin();
  arrange(choice());
  first.assign(reference);
  if (!sent.body) return first.showFailure(sent.problem);
  describePreview(sent.body.image, picture);
  return first.showResult(sent, () => !signal.aborted);
}

/** Ask each chosen model that has not answered yet; `note` goes before what is said meanwhile. */
export async function answer(picture, note = '') {
  const { signal } = begin();
  if (isMissing()) return waitForKey();
  $('outcome').hidden = false;
  if (!first.isDone) first.showProgress(`${note}Looking at the picture …`);
  await modelsKnown();
  if (signal.aborted) return undefined;
  const asked = arrange(choice());
  const open = asked.filter((one) => !one.isDone);
  for (const column of open) column.showProgress('Waiting for the other answer …');
  for (const column of open) {
    column.showProgress(`${column === open[0] ? note : ''}Looking at the picture …`);
    const isNextAsked = await ask(column, picture, signal);
    if (signal.aborted) return undefined;
    if (!isNextAsked) break;
  }
  offerHeatmaps(picture, asked.map((one) => one.answer));
  return compare(asked);
}

/** Have a column for each model that is to answer. */
function arrange([chosen, compared]) {
  const isAlone = compared === '';
  $('outcome').hidden = false;
  $('outcome').classList.toggle('comparing', !isAlone);
  say($('agreement'), '');
  first.assign(chosen);
  second.assign(compared);
  second.at('column').hidden = isAlone;
  return isAlone ? [first] : [first, second];
}

function waitForKey() {
  arrange(['', '']);
  first.showProgress('Type in your API key above. Then this picture is sent.');
  askForKey();
}

/** Ask one model and show what comes; tells whether it makes sense to ask the next one. */
async function ask(column, picture, signal) {
  const sent = await send(picture, queryOf(column.reference), signal);
  if (!sent) return false;
  if (sent.body) {
    describePreview(sent.body.image, picture);
    if (column.reference && !listedModel(sent.body.model)) renewModels(); // it is ready again
    await column.showResult(sent, () => !signal.aborted);
    return true;
  }
  column.showFailure(sent.problem, sent);
  if ([401, 403].includes(sent.status)) askForKey();
  if (sent.status === 0 || sent.status >= 500) checkHealth();
  const isGone = GONE.includes(sent.code);
  if (isGone) renewModels();
  return isGone;
}

function compare(asked) {
  const words = 'Not asked, because the other model gave no answer.';
  for (const one of asked.filter(({ isDone }) => !isDone)) one.showProgress(words);
  if (asked.length > 1) say($('agreement'), agreementOf(...asked.map((one) => one.answer)));
}
