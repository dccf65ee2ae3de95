/** Sends a few pictures in one request, and reads their results line by line as they come. */

import { keyHeader } from './key.js';
import { failureOf, jsonOf, noAnswer } from './send.js';

/**
 * Upload pictures; `onResult` gets each result as soon as it is there. Tells what failed of the
 * request as a whole, as `send` does; null: nothing, or it was given up.
 */
export async function sendBatch(files, query, signal, onResult) {
  try {
    const response = await fetch(`predict/batch${query}`, { ...upload(files), signal });
    if (!response.ok) return failureOf(response, await jsonOf(response));
    const isStandIn = response.headers.get('X-Topfive-Degraded') === 'true';
    const model = modelOf(response.headers.get('X-Topfive-Model') ?? '');
    for await (const line of linesOf(response.body)) {
      onResult({ model, ...JSON.parse(line), isStandIn });
    }
    return null;
  } catch {
    return signal.aborted ? null : noAnswer();
  }
}

function upload(files) {
  const body = new FormData();
  for (const file of files) body.append('files', file, 'picture'); // its name is nobody's business
  return { method: 'POST', body, headers: { Accept: 'application/x-ndjson', ...keyHeader() } };
}

/** The model of a reference, `name@version`. */
function modelOf(reference) {
  const [name, version] = reference.split('@');
  return { name, version };
}

async function* linesOf(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let begun = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = `${begun}${value}`.split('\n');
    begun = lines.pop();
    yield* lines.filter(Boolean);
  }
  if (begun.trim()) yield begun;
}
