/** Asks the service for what it keeps of predictions, and puts what goes wrong into words. */

import { keyHeader } from './key.js';
import { failureOf, jsonOf, noAnswer } from './send.js';

const ASK_TIMEOUT_MS = 20000;

/** Ask: `{ body }` is an answer, `{ failure }` what went wrong, as `failureOf` tells it. */
export async function ask(path, { method = 'GET', json } = {}) {
  const headers = { Accept: 'application/json', ...keyHeader() };
  if (json) headers['Content-Type'] = 'application/json';
  try {
    const signal = AbortSignal.timeout(ASK_TIMEOUT_MS);
    const body = json && JSON.stringify(json);
    const response = await fetch(path, { method, headers, body, signal, cache: 'no-store' });
    const told = await jsonOf(response);
    return response.ok && told ? { body: told } : { failure: failureOf(response, told) };
  } catch {
    return { failure: noAnswer() };
  }
}

/** The address of a prediction, or of something below it. */
export const pathOf = ({ id }, below = '') => `predictions/${encodeURIComponent(id)}${below}`;

/** Say what a prediction's picture shows, as `{ class_id, source }`; null takes back what was said. */
export function label(prediction, given) {
  const path = pathOf(prediction, '/label');
  if (given === null) return ask(path, { method: 'DELETE' });
  const { class_id, source } = given;
  return ask(path, { method: 'PUT', json: { class_id, source } });
}

const known = new Map();

/** The names of all classes of the version that made a prediction; null where they do not come. */
export function classesOf(prediction) {
  const digest = prediction.model_digest;
  if (!known.has(digest)) {
    known.set(digest, ask(pathOf(prediction, '/classes')).then(({ body }) => {
      if (!body) known.delete(digest); // it may come another time
      return body?.classes ?? null;
    }));
  }
  return known.get(digest);
}
