/** Takes a picture by choice, drop or paste, sends it, and has the answer shown. */

import { checkHealth, isNews } from './health.js';
import { say, showFailure, showPreview, showProgress, showResult } from './outcome.js';
import { isTooLarge, problemOfStatus, retryAfterS, sizeAndLimit } from './words.js';

const $ = (id) => document.getElementById(id);
const mostMb = Number(document.querySelector('main').dataset.maxUploadMb);

// The picture shown, the request in flight, and the key, which is never stored.
const now = { picture: null, running: null, apiKey: '' };

// Sending

async function send(file, note = '') {
  const controller = begin();
  showProgress(`${note}Looking at the picture …`);
  const started = performance.now();
  try {
    const response = await fetch('predict', { ...upload(file), signal: controller.signal });
    const body = await jsonOf(response);
    if (controller.signal.aborted) return;
    if (response.ok && Array.isArray(body?.predictions)) {
      onAnswer(body, file, performance.now() - started);
    } else {
      onProblem(response, body, file);
    }
  } catch {
    if (!controller.signal.aborted) onNoAnswer(file);
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
  const headers = { Accept: 'application/json' };
  // A key may be any text; a header's characters are bytes.
  const bytes = new TextEncoder().encode(now.apiKey);
  if (now.apiKey) headers.Authorization = `Bearer ${String.fromCharCode(...bytes)}`;
  return { method: 'POST', body, headers };
}

async function jsonOf(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error; // the connection closed halfway, or the request was aborted
  }
}

function onAnswer(body, file, elapsedMs) {
  showResult(body, file, elapsedMs);
  hideKeyForm();
  if (isNews(body.model)) checkHealth();
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
  if (response.status === 401) askForKey();
  if (response.status >= 500) checkHealth();
}

/** Words about headers are for programs: here is a field for the key, and a clock. */
function wordsForPage(status, detail, waitS) {
  if (status === 401) return now.apiKey ? 'The key you gave is not accepted.' : 'Type it in below.';
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
  if (isReadable) {
    await send(file, files.length > 1 ? `Only the first of ${files.length} files is used. ` : '');
  } else {
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

async function takeSample() {
  const controller = begin();
  try {
    const response = await fetch('sample', { signal: controller.signal });
    const content = await response.blob();
    if (controller.signal.aborted) return;
    if (response.ok) await take([new File([content], 'sample.png', { type: content.type })]);
    else showFailure(problemOfSample());
  } catch {
    if (!controller.signal.aborted) showFailure(problemOfSample(), { again: false });
  }
}

const problemOfSample = () => ({
  title: 'The sample did not come.',
  detail: 'Reload this page, or choose a picture of your own.',
});

$('file').addEventListener('change', () => {
  const files = [...$('file').files];
  $('file').value = ''; // so that the same file can be chosen again
  take(files);
});

$('sample')?.addEventListener('click', takeSample);

$('again').addEventListener('click', () => {
  $('outcome').focus({ preventScroll: true }); // the button goes away
  take([now.picture]);
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

// The API key

function askForKey() {
  $('key-form').hidden = false;
  $('key').focus();
  $('key').select();
  showCurl(true);
}

function hideKeyForm() {
  const hadFocus = $('key-form').contains(document.activeElement);
  $('key-form').hidden = true;
  if (hadFocus) $('outcome').focus({ preventScroll: true });
}

$('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  now.apiKey = $('key').value.trim();
  if (now.apiKey && now.picture) take([now.picture]);
});

// The curl line

function showCurl(withKey) {
  const key = withKey ? '-H "Authorization: Bearer $KEY" ' : '';
  $('curl').textContent = `curl ${key}-F file=@photo.jpg ${new URL('predict', document.baseURI)}`;
}

async function copyCurl() {
  try {
    await navigator.clipboard.writeText($('curl').textContent);
    return 'Copied.';
  } catch {
    // Only pages over HTTPS or on localhost may write to the clipboard.
    getSelection().selectAllChildren($('curl'));
    return 'Selected. Copy it with your keyboard.';
  }
}

$('copy').addEventListener('click', async () => {
  say($('copied'), '');
  say($('copied'), await copyCurl());
});

showCurl(false);
checkHealth();
