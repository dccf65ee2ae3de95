/** Has a person say what pictures show, one prediction after the other. */

import {
  classAt, hidePrediction, quoted, showBusy, showFile, showPrediction,
} from './card.js';
import { countDown } from './countdown.js';
import { renewFigures, renewFiguresSoon } from './figures.js';
import { chosen, takeDropped } from './files.js';
import { askForKey, isMissing, whenGiven } from './key.js';
import { Pictures } from './matching.js';
import { Queue } from './queue.js';
import { ask, classesOf, label } from './records.js';
import { beginSearch, clearSearch, offerClasses, whenFound } from './search.js';
import { whenPressed } from './shortcuts.js';
import { areLabelled, chosenQuery, noteVersions, renewVersions, whenChosen } from './versions.js';
import { beyondTitle, number, seconds } from './words.js';

const MEGABYTE = 1024 * 1024;

const $ = (id) => document.getElementById(id);
const pictures = new Pictures(document.querySelector('main').dataset.maxUploadMb * MEGABYTE);
// The predictions that wait, the one that is looked at and how many were, what was done, and how
// many answers are awaited.
const now = {
  queue: null, current: null, shown: 0, past: [], skipped: 0, labelled: 0, awaited: 0,
  retry: () => {}, stopCountdown: () => {},
};

// Which prediction is looked at

function start(isMoved = false) {
  Object.assign(now, { queue: new Queue(askForPage, queries()), shown: 0 });
  return goOn(isMoved);
}

/** What is asked for: all that was chosen, or of each picture that was given. */
function queries() {
  return $('only').checked ? pictures.digests.map(ofPicture) : [chosenQuery()];
}

const ofPicture = (digest) => ({ ...chosenQuery(), picture_sha256: digest });

async function askForPage(path) {
  const answer = await ask(path);
  if (answer.body) noteVersions(answer.body.predictions);
  return answer;
}

/** Look at the next prediction, or say why there is none; the focus goes there where `isMoved`. */
async function goOn(isMoved = false) {
  const { queue } = now;
  const { prediction, failure } = await busy(() => queue.take());
  if (queue !== now.queue) return; // another choice was made meanwhile
  if (failure) return fail(failure, () => goOn(true)); // the button goes away
  show(prediction ?? null);
  if (!prediction) await end();
  if (isMoved) moveTo(prediction ? $('card') : $('ended'));
}

/** Let keys and screen readers go on there, and have its head in sight. */
function moveTo(element) {
  element.focus({ preventScroll: true });
  if (element.getBoundingClientRect().top < 0) element.scrollIntoView();
}

function show(prediction) {
  now.current = prediction;
  now.shown += prediction ? 1 : 0;
  hideFailure();
  $('ended').hidden = true;
  $('undo').disabled = now.past.length === 0;
  clearSearch();
  if (!prediction) return hidePrediction();
  showPrediction(prediction);
  showPicture();
  return findable(prediction);
}

async function findable(prediction) {
  offerClasses(null);
  const names = await classesOf(prediction);
  if (now.current?.model_digest === prediction.model_digest) offerClasses(names);
}

/** Say that all were looked at, or that there was nothing from the start. */
async function end() {
  const { queue } = now;
  const [title, detail] = now.shown > 0 ? ['That was the last one.', counted()] : await nothing();
  if (queue !== now.queue || now.current) return;
  $('ended-title').textContent = title;
  $('ended-detail').textContent = detail;
  $('undo-last').hidden = now.past.length === 0;
  $('ended').hidden = false;
}

async function nothing() {
  const { body } = await ask('predictions?limit=1');
  if (body?.predictions.length === 0) {
    return ['No prediction is kept yet.', 'As soon as pictures are classified they are listed here.'];
  }
  if ($('only').checked) {
    return ['None of these pictures is waiting.', 'They were not classified here, or are labelled already.'];
  }
  return areLabelled()
    ? ['None of these has a label yet.', 'Choose predictions that are not labelled.']
    : ['All of these are labelled.', 'Look again when more pictures are classified.'];
}

const counted = () => `In this visit: ${number(now.labelled, 0)} labelled, ${number(now.skipped, 0)} skipped.`;

// What is done with it

async function give(classId) {
  const { current } = now;
  if (!current || isBusy()) return;
  const { body, failure } = await busy(() => label(current, { class_id: classId, source: 'person' }));
  if (failure) return fail(failure, () => give(classId));
  now.labelled += 1;
  now.past.push({ prediction: body, before: current.label });
  say(`Labelled ${quoted(body.label.class_name)}. ${counted()}`);
  renewFiguresSoon();
  await goOn(true);
}

async function skip() {
  if (!now.current || isBusy()) return;
  now.skipped += 1;
  now.past.push({ prediction: now.current, isSkip: true });
  say(`Skipped. ${counted()}`);
  await goOn(true);
}

async function undo() {
  const last = now.past.at(-1);
  if (!last || isBusy()) return;
  const restored = last.isSkip ? { body: last.prediction } : await busy(() => takeBack(last));
  if (restored.failure) return fail(restored.failure, undo);
  now.past.pop();
  now[last.isSkip ? 'skipped' : 'labelled'] -= 1;
  if (now.current) now.queue.putBack(now.current);
  say(last.isSkip ? `Back to the skipped one. ${counted()}` : `The label is taken back. ${counted()}`);
  if (!last.isSkip) renewFiguresSoon();
  show(restored.body);
  moveTo($('card'));
}

const takeBack = ({ prediction, before }) => label(prediction, before);

/** Take the class in that place of the list. */
function take(place) {
  const one = now.current?.predictions[place];
  if (one) give(one.class_id);
}

/** Let nothing else begin until `work` is done. */
async function busy(work) {
  now.awaited += 1;
  showBusy(true);
  try {
    return await work();
  } finally {
    now.awaited -= 1;
    showBusy(isBusy());
  }
}

const isBusy = () => now.awaited > 0;

// What goes wrong

function fail({ status, problem, waitS }, retry) {
  now.retry = retry;
  now.stopCountdown();
  $('failure-title').textContent = problem.title;
  $('failure-detail').textContent = beyondTitle(problem);
  $('failure-more').textContent = problem.more ?? '';
  $('failure').hidden = false;
  $('again').hidden = [400, 404].includes(status);
  now.stopCountdown = countDown(waitS, (left) => {
    $('again').disabled = left > 0;
    $('again').textContent = left > 0 ? `Try again in ${seconds(left)}` : 'Try again';
  });
  if (status === 401 || (status === 403 && isKeyAsked())) askForKey();
}

const isKeyAsked = () => 'asksKey' in document.querySelector('main').dataset;

function hideFailure() {
  now.stopCountdown();
  $('failure').hidden = true;
}

/** Say it again, even where the same was said before. */
function say(words) {
  $('said').textContent = '';
  $('said').textContent = words;
}

// Pictures

function showPicture() {
  const digest = now.current?.picture_sha256;
  showFile(digest ? pictures.find(digest) : undefined, whyNone(digest));
}

function whyNone(digest) {
  if (digest === null) return 'Prepared pixels were sent: there is no picture.';
  return pictures.given > 0 ? 'This picture is not among those you gave.' : 'You have not given this picture.';
}

function takePictures({ files }) {
  if (files.length > 0) pictures.add(files.map(({ file }) => file), onLooked);
}

function onLooked(digest) {
  const { given, looked, digests } = pictures;
  const count = `${number(digests.length, 0)} ${digests.length === 1 ? 'picture' : 'pictures'} here`;
  $('looked').textContent = looked < given ? `${count}; ${number(given - looked, 0)} files to look at.` : `${count}.`;
  $('only-line').hidden = digests.length === 0;
  if (now.current) showPicture();
  if (!digest || !$('only').checked) return;
  now.queue.add(ofPicture(digest));
  if (!now.current && !isBusy()) goOn();
}

for (const input of [$('file'), $('folder')]) {
  input.addEventListener('change', () => {
    const found = chosen(input.files);
    input.value = ''; // so that the same file can be chosen again
    takePictures(found);
  });
}

takeDropped($('drop'), takePictures, () => {
  $('looked').textContent = 'This folder cannot be read. Choose pictures in it.';
});

// What a person does

$('suggestions').addEventListener('click', ({ target }) => {
  const classId = classAt(target);
  if (classId !== undefined) give(classId);
});
$('skip').addEventListener('click', skip);
$('undo').addEventListener('click', undo);
$('undo-last').addEventListener('click', undo);
$('look-again').addEventListener('click', () => start(true));
$('again').addEventListener('click', () => {
  hideFailure();
  now.retry();
});
whenPressed({ take, skip, undo, search: beginSearch });
whenFound(give, () => $('card').focus({ preventScroll: true }));
$('only').addEventListener('change', () => start());
whenChosen(() => begin());
whenGiven(() => begin(true)); // its field goes away

async function begin(isMoved = false) {
  say('');
  hideFailure();
  renewVersions();
  await start(isMoved);
  renewFigures();
}

if (isMissing()) say('Type in your API key above. Then predictions are listed.');
else begin();
