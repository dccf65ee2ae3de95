/** One of many pictures, and what has become of it so far. Nothing here touches the page. */

// These may go well when they are tried again, by hand.
const UNLUCKY = ['deadline_exceeded', 'internal_error', 'out_of_memory', 'upload_too_slow'];

/** Tell whether a failure may be another time's answer. */
export const isUnlucky = (code) => UNLUCKY.includes(code);

/** A picture on its way: `state` is waiting, sent, answered or failed. */
export class Picture {
  state = 'waiting';
  /** What came: `{ predictions, image, timing_ms, … }`; null before. */
  result = null;
  /** What went wrong: `{ code, detail }`; null where nothing did. */
  error = null;

  constructor({ file, name }) {
    this.file = file;
    this.name = name;
  }

  get isSettled() {
    return this.state === 'answered' || this.state === 'failed';
  }

  get mayBeTriedAgain() {
    return this.state === 'failed' && isUnlucky(this.error.code);
  }

  /** Have it sent, or sent again. */
  reset(state = 'waiting') {
    Object.assign(this, { state, result: null, error: null });
  }

  answer(result) {
    Object.assign(this, { state: 'answered', result, error: null });
  }

  fail(error) {
    Object.assign(this, { state: 'failed', result: null, error });
  }
}
