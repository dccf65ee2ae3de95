/** Recognises pictures by their SHA-256; they stay in this page. */

import { sha256 } from './sha256.js';

/** The SHA-256 of a file's bytes in hex. */
export async function digestOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const { subtle } = crypto;
  if (!subtle) return sha256(bytes); // pages over plain HTTP have none
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes));
  return [...digest].map((one) => one.toString(16).padStart(2, '0')).join('');
}

/** The pictures that were given, by their digests; `mostBytes` is what the service takes. */
export class Pictures {
  #mostBytes;
  #files = new Map();
  #last = Promise.resolve();
  /** How many were given, and how many of them were looked at. */
  given = 0;
  looked = 0;

  constructor(mostBytes) {
    this.#mostBytes = mostBytes;
  }

  /** The digests of those that were looked at. */
  get digests() {
    return [...this.#files.keys()];
  }

  /** The file with that digest; undefined where none was given. */
  find(digest) {
    return this.#files.get(digest);
  }

  /** Take more, one after the other; `onLooked` gets the digest of each new one, else null. */
  add(files, onLooked) {
    this.given += files.length;
    for (const file of files) {
      this.#last = this.#last.then(() => this.#look(file)).then(onLooked);
    }
  }

  async #look(file) {
    try {
      return file.size <= this.#mostBytes ? this.#note(await digestOf(file), file) : null;
    } catch {
      return null; // it is gone, or may not be read
    } finally {
      this.looked += 1;
    }
  }

  #note(digest, file) {
    const isNew = !this.#files.has(digest);
    this.#files.set(digest, file);
    return isNew ? digest : null;
  }
}
