/** Sends one picture to one model, and puts what goes wrong into words. */

import { isHeld, keyHeader } from './key.js';
import { isTooLarge, problemOfStatus, retryAfterS, sizeAndLimit } from './words.js';

const mostMb = Number(document.querySelector('main').dataset.maxUploadMb);

/**
 * Upload a picture: `{ body, elapsedMs }` is an answer, `{ problem, again, waitS, status, code }` a
 * failure, which may be tried `again` after `waitS`. Null: it was given up.
 */
export async function send(file, query, signal) {
  const started = performance.now();
  try {
    const response = await fetch(`predict${query}`, { ...upload(file), signal });
    const body = await jsonOf(response);
    if (signal.aborted) return null;
    return response.ok && Array.isArray(body?.predictions)
      ? { body, elapsedMs: performance.now() - started }
      : failureOf(response, body, file);
  } catch {
    return signal.aborted ? null : noAnswer(file);
  }
}

function upload(file) {
  const body = new FormData();
  body.append('file', file, file.name || 'picture');
  return { method: 'POST', body, headers: { Accept: 'application/json', ...keyHeader() } };
}

/** Read an answer's JSON; null where it is none. */
export async function jsonOf(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error; // the connection closed halfway, or the request was aborted
  }
}

/** Put an answer that is none into words; `file` is the picture, where it is of one alone. */
export function failureOf(response, body, file) {
  const { status } = response;
  const isProblem = typeof body?.title === 'string' && typeof body.detail === 'string';
  const { title, detail } = isProblem ? body : problemOfStatus(status);
  const code = isProblem ? body.code : '';
  const isLarge = file && (isProblem ? code === 'file_too_large' : status === 413);
  const words = isLarge ? `${detail} ${sizeAndLimit(file, mostMb)}`.trim() : detail;
  const waitS = retryAfterS(response.headers.get('Retry-After'));
  const more = isProblem ? `Code ${code}, request ${body.request_id}` : '';
  return {
    status, code, waitS,
    problem: { title, detail: wordsForPage(status, words, waitS), more },
    again: [408, 429].includes(status) || status >= 500,
  };
}

/** Words about headers are for programs: here is a field for the key, and a clock. */
function wordsForPage(status, detail, waitS) {
  if (status === 401) return isHeld() ? 'The key you gave is not accepted.' : 'Type it in above.';
  return status === 429 && waitS > 0 ? '' : detail;
}

/** The failure that no answer came. */
export function noAnswer(file) {
  const isLarge = file && isTooLarge(file, mostMb);
  const detail = isLarge
    ? `Most likely the picture is too large. ${sizeAndLimit(file, mostMb)}`
    : 'The service cannot be reached, or it closed the connection.';
  const problem = { title: 'No answer came.', detail };
  return { status: 0, code: '', waitS: 0, problem, again: !isLarge };
}
