/** Takes pictures by choice, camera, drop or paste, and has the chosen models asked about them. */

import {
  answer, begin, forget, forgetColumnOf, forgetFailures, recall, showFailure,
} from './answering.js';
import { whenOpened } from './closer.js';
import './copy.js';
import { canBeRead, chosen, takeDropped } from './files.js';
import { whenGiven } from './key.js';
import { askedModel, followChoice, isMany, leaveMany, start, takeMany } from './many.js';
import { checkHealth } from './model.js';
import { choice, queryOf, renewModels, whenChosen } from './picker.js';
import { hidePreview, showPreview } from './preview.js';
import { writeCode } from './snippets.js';

const $ = (id) => document.getElementById(id);

// The one picture that is shown.
const now = { picture: null };

// Taking pictures

async function take({ files, leftOut = 0 }) {
  if (files.length === 0 && leftOut === 0) return undefined;
  leaveOne();
  document.body.classList.add('taken');
  if (files.length > 1) return takeMany({ files, leftOut });
  leaveMany();
  if (files.length === 0) return showFailure({ title: 'There is no picture in this folder.' });
  now.picture = files[0].file;
  showPreview(now.picture);
  return ask();
}

/** Show no single picture any more. */
function leaveOne() {
  begin();
  forget();
  now.picture = null;
  hidePreview();
  $('outcome').hidden = true;
}

/** Have the picture looked at by each chosen model that has not answered yet. */
async function ask() {
  const file = now.picture;
  begin();
  const isReadable = await canBeRead(file);
  if (now.picture !== file) return;
  if (isReadable) await answer(file);
  else {
    const detail = 'The file is gone, or it is a folder. Choose a picture file.';
    showFailure({ title: 'This cannot be read.', detail });
  }
}

async function takeSample({ source, name }) {
  const controller = begin();
  try {
    const response = await fetch(source, { signal: controller.signal });
    const content = await response.blob();
    if (controller.signal.aborted) return;
    if (response.ok) await take(chosen([new File([content], name, { type: content.type })]));
    else showFailure(problemOfSample());
  } catch {
    if (!controller.signal.aborted) showFailure(problemOfSample());
  }
}

const problemOfSample = () => ({
  title: 'The sample did not come.',
  detail: 'Reload this page, or choose a picture of your own.',
});

const problemOfFolder = () => ({
  title: 'This folder cannot be read.',
  detail: 'Some of it may not be open to you. Choose pictures in it.',
});

for (const input of [$('file'), $('folder'), $('camera')]) {
  input.addEventListener('change', () => {
    const found = chosen(input.files);
    input.value = ''; // so that the same file can be chosen again
    take(found);
  });
}

// On the whole field: the samples change with the model.
$('drop').addEventListener('click', ({ target }) => {
  const button = target.closest('.sample');
  if (button) takeSample(button.dataset);
});

$('outcome').addEventListener('click', ({ target }) => {
  if (!forgetColumnOf(target)) return;
  $('outcome').focus({ preventScroll: true }); // the button goes away
  ask();
});

whenGiven(() => {
  renewModels();
  if (isMany()) {
    start();
    $('cancel').focus({ preventScroll: true });
    return undefined;
  }
  if (!now.picture) return $('file').focus();
  $('outcome').focus({ preventScroll: true }); // the field goes away
  forgetFailures();
  return ask();
});

document.addEventListener('paste', (event) => {
  const found = chosen(event.clipboardData?.files ?? []);
  if (found.files.length === 0) return;
  event.preventDefault();
  take(found);
});

// A picture may be dropped anywhere on the page.
takeDropped($('drop'), take, () => showFailure(problemOfFolder()));

// One of many is looked at closely: what it was found to be is known.
whenOpened(openOne, leaveOne);

async function openOne({ file, result, error }) {
  forget();
  now.picture = file;
  showPreview(file);
  const { isStandIn, ...body } = result ?? {};
  const sent = error
    ? { problem: { title: error.detail, more: `Code ${error.code}` } }
    : { body: isStandIn ? { ...body, degraded: true } : body };
  await recall(askedModel(), sent, file);
  if (now.picture === file && !error) await answer(file);
}

// Choosing models

whenChosen((isByHand) => {
  writeCode(queryOf(choice()[0]));
  if (!isByHand) return;
  followChoice();
  if (now.picture) ask();
});

// Models may have come and gone while another page was looked at.
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) renewModels();
});
renewModels();

// The server's page is up to date; one that the browser kept for the Back button is not.
addEventListener('pageshow', ({ persisted }) => {
  if (!persisted) return;
  checkHealth();
  renewModels();
});
if ($('model').dataset.status !== 'healthy') checkHealth();
