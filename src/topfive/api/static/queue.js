/** Which predictions wait for a person, fetched page by page. Nothing here touches the page. */

const PAGE = 50;
const FEW = 10;

/** The predictions that queries name; `ask` gives the answer to a path, as `records.js` does. */
export class Queue {
  #ask;
  #queries;
  #waiting = [];
  #cursor = '';
  #asking = null;

  constructor(ask, queries) {
    this.#ask = ask;
    this.#queries = [...queries];
  }

  /** Have what another query names come last. */
  add(query) {
    this.#queries.push(query);
  }

  /** Take the next one: `{ prediction }`, `{}` where none is left, or `{ failure }`. */
  async take() {
    while (this.#waiting.length === 0 && this.#queries.length > 0) {
      const failure = await this.#fetch();
      if (failure) return { failure };
    }
    const prediction = this.#waiting.shift();
    if (this.#waiting.length < FEW && this.#queries.length > 0) this.#fetch(); // while this one is looked at
    return prediction ? { prediction } : {};
  }

  /** Have these come next, before all others. */
  putBack(...predictions) {
    this.#waiting.unshift(...predictions);
  }

  /** Fetch one more page; what is under way already is waited for. Tells what went wrong. */
  #fetch() {
    this.#asking ??= this.#page().finally(() => { this.#asking = null; });
    return this.#asking;
  }

  async #page() {
    const query = new URLSearchParams({ ...this.#queries[0], limit: PAGE });
    if (this.#cursor) query.set('cursor', this.#cursor);
    const { body, failure } = await this.#ask(`predictions?${query}`);
    if (failure) return failure;
    this.#waiting.push(...body.predictions);
    this.#cursor = body.next_cursor;
    if (!this.#cursor) this.#queries.shift();
    return null;
  }
}
