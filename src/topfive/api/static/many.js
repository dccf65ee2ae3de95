/** Takes many pictures, has them classified, and goes on, stops or begins again as asked. */

import { offer } from './closer.js';
import { download } from './download.js';
import { layOut, showState } from './grid.js';
import { askForKey, isMissing } from './key.js';
import { checkHealth, isShown, renewModel, shownModel } from './model.js';
import { choice, listedModel, modelsKnown, queryOf, renewModels } from './picker.js';
import { Picture } from './picture.js';
import {
  announce, counted, renewCountdown, showFailure, showLeftOut, showProgress, showWait,
} from './progress.js';
import { Run } from './run.js';
import { csvOf, jsonOf } from './table.js';
import { seconds } from './words.js';

const mostMb = Number(document.querySelector('main').dataset.maxUploadMb);

const $ = (id) => document.getElementById(id);
// The pictures, the model that is asked, and what is under way.
const now = { pictures: [], reference: '', running: null };

/** The reference of the model that was asked; empty: none was named. */
export const askedModel = () => now.reference;

/** Tell whether many pictures are shown. */
export const isMany = () => now.pictures.length > 0;

/** Show these pictures and have all of them classified. */
export function takeMany({ files, leftOut }) {
  leaveMany();
  now.pictures = files.map((one) => new Picture(one));
  layOut(now.pictures);
  for (const one of now.pictures) showState(one, 0);
  offer(now.pictures);
  showLeftOut(leftOut);
  $('many').hidden = false;
  return start();
}

/** Forget them: others are looked at. */
export function leaveMany() {
  stop();
  now.pictures = [];
  offer([]);
  layOut([]);
  $('many').hidden = true;
}

/** Have all asked again where another model is chosen by now. */
export function followChoice() {
  if (!isMany() || choice()[0] === now.reference) return;
  for (const one of now.pictures) reset(one);
  start();
}

/** Send those that wait. */
export async function start() {
  stop();
  const { signal } = now.running = new AbortController();
  if (isMissing()) return waitForKey();
  tell();
  announce(`Looking at ${counted(now.pictures.length)}.`);
  await modelsKnown();
  if (signal.aborted) return undefined;
  [now.reference] = choice();
  const run = new Run(queryOf(now.reference), mostMb, { onChange, onWait: showWait });
  const failure = await run.go(now.pictures, signal);
  return signal.aborted ? undefined : end(failure);
}

/** Give up what is under way; what was sent has to be sent again. */
function stop() {
  now.running?.abort();
  now.running = null;
  showFailure(null);
  for (const one of now.pictures.filter(({ state }) => state === 'sent')) reset(one);
}

function end(failure) {
  now.running = null;
  tell();
  if (!failure) return announce($('many-count').textContent);
  const { status, waitS, problem } = failure;
  showFailure(problem);
  if ([401, 403].includes(status)) askForKey();
  if (status === 0 || status >= 500) checkHealth();
  renewModels();
  return renewCountdown(waitS, (left) => {
    $('resume').disabled = left > 0;
    $('resume').textContent = left > 0 ? `Go on in ${seconds(left)}` : 'Go on';
  });
}

function waitForKey() {
  now.running = null;
  tell();
  showFailure({ title: 'Type in your API key above.', detail: 'Then the pictures are sent.' });
  askForKey();
}

function cancel() {
  stop();
  tell();
  announce(`Cancelled: ${$('many-count').textContent}.`);
  $('resume').focus({ preventScroll: true }); // the button that was pressed goes away
}

function resume() {
  for (const one of now.pictures.filter((one) => one.mayBeTriedAgain)) reset(one);
  start();
  $('cancel').focus({ preventScroll: true });
}

function reset(picture) {
  picture.reset();
  showState(picture, 0);
}

function onChange(picture) {
  showState(picture, picture.result ? classesOf(picture.result.model) : 0);
  tell();
}

/** How many classes a model has; the page's head is renewed where another one serves by now. */
function classesOf(model) {
  const listed = listedModel(model);
  if (listed) return listed.num_classes;
  if (isShown(model)) return shownModel().classes;
  renewModel().catch(() => {});
  return 0;
}

const tell = () => showProgress(now.pictures, now.running !== null);

$('cancel').addEventListener('click', cancel);
$('resume').addEventListener('click', resume);
$('csv').addEventListener('click', () => download(csvOf(now.pictures), 'text/csv', 'topfive.csv'));
$('json-file').addEventListener('click', () => {
  download(jsonOf(now.pictures), 'application/json', 'topfive.json');
});
