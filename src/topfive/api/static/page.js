/** Takes a picture by choice, camera, drop or paste, and has the chosen models asked about it. */

import { answer, begin, forget, forgetColumnOf, forgetFailures, showFailure } from './answering.js';
import './copy.js';
import { whenGiven } from './key.js';
import { checkHealth } from './model.js';
import { choice, queryOf, renewModels, whenChosen } from './picker.js';
import { showPreview } from './preview.js';
import { writeCode } from './snippets.js';

const $ = (id) => document.getElementById(id);

// The picture shown.
const now = { picture: null };

// Taking a picture

async function take(files) {
  const [file] = files;
  if (!file) return;
  now.picture = file;
  forget();
  document.body.classList.add('taken');
  showPreview(file);
  await ask(files.length > 1 ? `Only the first of ${files.length} files is used. ` : '');
}

/** Have the picture looked at by each chosen model that has not answered yet. */
async function ask(note = '') {
  const file = now.picture;
  begin();
  const isReadable = await canBeRead(file);
  if (now.picture !== file) return;
  if (isReadable) await answer(file, note);
  else {
    const detail = 'It is a folder, or the file is gone. Choose a picture file.';
    showFailure({ title: 'This cannot be read.', detail });
  }
}

async function canBeRead(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

async function takeSample({ source, name }) {
  const controller = begin();
  try {
    const response = await fetch(source, { signal: controller.signal });
    const content = await response.blob();
    if (controller.signal.aborted) return;
    if (response.ok) await take([new File([content], name, { type: content.type })]);
    else showFailure(problemOfSample());
  } catch {
    if (!controller.signal.aborted) showFailure(problemOfSample());
  }
}

const problemOfSample = () => ({
  title: 'The sample did not come.',
  detail: 'Reload this page, or choose a picture of your own.',
});

for (const input of [$('file'), $('camera')]) {
  input.addEventListener('change', () => {
    const files = [...input.files];
    input.value = ''; // so that the same file can be chosen again
    take(files);
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
  if (!now.picture) return $('file').focus();
  $('outcome').focus({ preventScroll: true }); // the field goes away
  forgetFailures();
  return ask();
});

document.addEventListener('paste', (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length === 0) return;
  event.preventDefault();
  take(files);
});

// A picture may be dropped anywhere on the page.
const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
const highlight = (isOver) => $('drop').classList.toggle('over', isOver);

document.addEventListener('dragover', (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  highlight(true);
});
document.addEventListener('dragleave', (event) => {
  if (event.relatedTarget === null) highlight(false); // it has left the window
});
document.addEventListener('drop', (event) => {
  highlight(false);
  if (!carriesFiles(event)) return;
  event.preventDefault();
  take([...event.dataTransfer.files]);
});

// Choosing models

whenChosen((isByHand) => {
  writeCode(queryOf(choice()[0]));
  if (isByHand && now.picture) ask();
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
