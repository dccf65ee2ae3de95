/** Takes a picture by choice, camera, drop or paste, sends it, and has the answer shown. */

import './copy.js';
import { askForKey, isHeld, isMissing, keyHeader, whenGiven } from './key.js';
import { checkHealth } from './model.js';
import { showFailure, showPreview, showProgress, showResult } from './outcome.js';
import './snippets.js';
import { isTooLarge, problemOfStatus, retryAfterS, sizeAndLimit } from './words.js';

const $ = (id) => document.getElementById(id);
const mostMb = Number(document.querySelector('main').dataset.maxUploadMb);

// The picture shown, and the request in flight.
const now = { picture: null, running: null };

// Sending

async function send(file, note = '') {
  const controller = begin();
  const isCurrent = () => !controller.signal.aborted;
  showProgress(`${note}Looking at the picture …`);
  const started = performance.now();
  try {
    const response = await fetch('predict', { ...upload(file), signal: controller.signal });
    const body = await jsonOf(response);
    if (!isCurrent()) return;
    if (response.ok && Array.isArray(body?.predictions)) {
      await showResult(body, file, performance.now() - started, isCurrent);
    } else {
      onProblem(response, body, file);
    }
  } catch {
    if (isCurrent()) onNoAnswer(file);
  } finally {
    if (now.running === controller) now.running = null;
  }
}

/** Give up what is under way, if anything, and make the next request's controller. */
function begin() {
  now.running?.abort();
  now.running = new AbortController();
  return now.running;
}

function upload(file) {
  const body = new FormData();
  body.append('file', file, file.name || 'picture');
  return { method: 'POST', body, headers: { Accept: 'application/json', ...keyHeader() } };
}

async function jsonOf(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error; // the connection closed halfway, or the request was aborted
  }
}

function onProblem(response, body, file) {
  const isProblem = typeof body?.title === 'string' && typeof body.detail === 'string';
  const { title, detail } = isProblem ? body : problemOfStatus(response.status);
  const isLarge = isProblem ? body.code === 'file_too_large' : response.status === 413;
  const more = isProblem ? `Code ${body.code}, request ${body.request_id}` : '';
  const words = isLarge ? `${detail} ${sizeAndLimit(file, mostMb)}`.trim() : detail;
  const again = [408, 429].includes(response.status) || response.status >= 500;
  const waitS = retryAfterS(response.headers.get('Retry-After'));
  showFailure({ title, detail: wordsForPage(response.status, words, waitS), more }, { again, waitS });
  if ([401, 403].includes(response.status)) askForKey();
  if (response.status >= 500) checkHealth();
}

/** Words about headers are for programs: here is a field for the key, and a clock. */
function wordsForPage(status, detail, waitS) {
  if (status === 401) return isHeld() ? 'The key you gave is not accepted.' : 'Type it in above.';
  return status === 429 && waitS > 0 ? '' : detail;
}

function onNoAnswer(file) {
  const isLarge = isTooLarge(file, mostMb);
  const detail = isLarge
    ? `Most likely the picture is too large. ${sizeAndLimit(file, mostMb)}`
    : 'The service cannot be reached, or it closed the connection.';
  showFailure({ title: 'No answer came.', detail }, { again: !isLarge });
  checkHealth();
}

// Taking a picture

async function take(files) {
  const [file] = files;
  if (!file) return;
  begin();
  now.picture = file;
  document.body.classList.add('taken');
  showPreview(file);
  const isReadable = await canBeRead(file);
  if (now.picture !== file) return;
  if (!isReadable) {
    const detail = 'It is a folder, or the file is gone. Choose a picture file.';
    showFailure({ title: 'This cannot be read.', detail });
  } else if (isMissing()) {
    showProgress('Type in your API key above. Then this picture is sent.');
    askForKey();
  } else {
    await send(file, files.length > 1 ? `Only the first of ${files.length} files is used. ` : '');
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

$('again').addEventListener('click', () => {
  $('outcome').focus({ preventScroll: true }); // the button goes away
  take([now.picture]);
});

whenGiven(() => {
  if (!now.picture) return $('file').focus();
  $('outcome').focus({ preventScroll: true }); // the field goes away
  return take([now.picture]);
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

// The server's page is up to date; one that the browser kept for the Back button is not.
addEventListener('pageshow', ({ persisted }) => {
  if (persisted) checkHealth();
});
if ($('model').dataset.status !== 'healthy') checkHealth();
