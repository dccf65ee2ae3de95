/** Sends many pictures, a few at once, until each has an answer or a failure of its own. */

import { sendBatch } from './batch.js';
import { canBeRead } from './files.js';
import { isUnlucky } from './picture.js';
import { send } from './send.js';
import { isTooLarge, sizeAndLimit } from './words.js';

const MOST_PICTURES = 16;
const MOST_BYTES = 8 * 1024 * 1024;
const LONGEST_WAIT_S = 120;
// Requests one after the other that settle no picture.
const MOST_IN_VAIN = 5;
// Not a picture's own fault: it is sent again by itself.
const PASSING = ['rate_limited', 'overloaded', 'shutting_down', 'model_unavailable'];

/** Sends pictures to one model. `onChange` is told of each that changed, `onWait` of each wait. */
export class Run {
  #query;
  #most = MOST_PICTURES;
  #takesBatches = true;
  #inVain = 0;
  #refusal = '';
  #mostMb;
  #onChange;
  #onWait;

  constructor(query, mostMb, { onChange, onWait }) {
    this.#query = query;
    this.#mostMb = mostMb;
    this.#onChange = onChange;
    this.#onWait = onWait;
  }

  /** Send all that wait. Tells the failure, as `send` does, that ended it; null: none, or given up. */
  async go(pictures, signal) {
    this.#inVain = 0;
    for (;;) {
      const some = this.#choose(pictures);
      if (some.length === 0) return null;
      const told = await this.#sendSome(some, signal);
      if (signal.aborted) return null;
      const left = some.filter((one) => !one.isSettled);
      for (const one of left) this.#set(one, () => one.reset());
      this.#inVain = left.length < some.length ? 0 : this.#inVain + 1;
      const failure = told ?? (this.#inVain > 0 ? refused(this.#refusal) : null);
      if (!failure || this.#adapt(failure, left)) continue;
      if (!await this.#wait(failure, signal)) return failure;
      if (signal.aborted) return null;
    }
  }

  #choose(pictures) {
    const some = [];
    let bytes = 0;
    const most = this.#takesBatches ? this.#most : 1;
    for (const one of pictures) {
      if (some.length >= most) break;
      if (one.state !== 'waiting') continue;
      if (!isTooLarge(one.file, this.#mostMb)) bytes += one.file.size; // others are not sent
      if (some.length > 0 && bytes > MOST_BYTES) break;
      some.push(one);
    }
    return some;
  }

  async #sendSome(some, signal) {
    for (const one of some) this.#set(one, () => one.reset('sent'));
    const faults = await Promise.all(some.map((one) => faultOf(one.file, this.#mostMb)));
    if (signal.aborted) return null;
    some.forEach((one, at) => { if (faults[at]) this.#set(one, () => one.fail(faults[at])); });
    const good = some.filter((one) => !one.isSettled);
    if (good.length === 0) return null;
    return this.#takesBatches ? this.#sendBatch(good, signal) : this.#sendOne(good[0], signal);
  }

  #sendBatch(some, signal) {
    const files = some.map((one) => one.file);
    return sendBatch(files, this.#query, signal, ({ index, ok, error, ...result }) => {
      const one = some[index];
      if (!one || signal.aborted) return;
      if (ok) this.#set(one, () => one.answer(result));
      else if (PASSING.includes(error.code)) this.#refusal = error.detail;
      else if (error.code === 'batch_too_large') this.#most = Math.max(1, index);
      else this.#set(one, () => one.fail(error));
    });
  }

  async #sendOne(one, signal) {
    const sent = await send(one.file, this.#query, signal);
    if (!sent) return null;
    if (sent.body) {
      const { degraded: isStandIn = false, ...result } = sent.body;
      this.#set(one, () => one.answer({ ...result, isStandIn }));
      return null;
    }
    if (!isPictures(sent)) return sent;
    this.#set(one, () => one.fail(errorOf(sent)));
    return null;
  }

  /** Send less at once, or one by one, where that may help; tells whether it may. */
  #adapt({ status, code }, left) {
    if ([404, 405].includes(status) && this.#takesBatches && code !== 'model_not_found') {
      this.#takesBatches = false;
    } else if ((status === 413 || status === 0) && left.length > 1) {
      this.#most = Math.ceil(left.length / 2);
      return status === 413; // without any answer, some time may help too
    } else if (status === 413 && left.length === 1) {
      const detail = 'Something between this page and the service refuses it as too large.';
      this.#set(left[0], () => left[0].fail({ code: code || 'file_too_large', detail }));
    } else {
      return false;
    }
    return true;
  }

  /** Wait as long as the service asks; false: too long, or often enough. */
  async #wait(failure, signal) {
    const waitS = failure.waitS || 2 ** Math.min(this.#inVain, 5) / 2;
    if (!failure.again || waitS > LONGEST_WAIT_S || this.#inVain > MOST_IN_VAIN) return false;
    this.#onWait(failure, waitS);
    await pause(waitS, signal);
    if (!signal.aborted) this.#onWait(null, 0);
    return true;
  }

  #set(one, change) {
    change();
    this.#onChange(one);
  }
}

/** What keeps a file from being sent at all; null: nothing. */
async function faultOf(file, mostMb) {
  if (!await canBeRead(file)) {
    return { code: 'unreadable', detail: 'It cannot be read: the file is gone.' };
  }
  if (!isTooLarge(file, mostMb)) return null;
  return { code: 'file_too_large', detail: sizeAndLimit(file, mostMb) };
}

/** Tell whether a failure is of the picture; others are of the service, the key or the way there. */
function isPictures({ status, code }) {
  if (isUnlucky(code)) return true;
  return status === 413 || (status === 400 && code !== 'invalid_parameter');
}

const errorOf = ({ code, problem }) => ({ code: code || 'file_too_large', detail: problem.detail });

/** The pictures came back one by one, without a failure of the request as a whole. */
const refused = (detail) => ({
  status: 503, code: '', waitS: 0, again: true,
  problem: { title: 'The service takes no more pictures at the moment.', detail, more: '' },
});

function pause(waitS, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, waitS * 1000);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
