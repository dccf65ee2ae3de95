/** The API key: asked for before the first picture, held in memory alone, sent in a header. */

const $ = (id) => document.getElementById(id);
const held = { key: '' };

/** Tell whether a key is needed that nobody has typed in yet. */
export const isMissing = () => !held.key && 'asksKey' in document.querySelector('main').dataset;

export const isHeld = () => held.key !== '';

/** The header that carries the key; none without a key. */
export function keyHeader() {
  if (!held.key) return {};
  // A key may be any text; a header's characters are bytes.
  const bytes = new TextEncoder().encode(held.key);
  return { Authorization: `Bearer ${String.fromCharCode(...bytes)}` };
}

/** Ask for a key, or for another one. */
export function askForKey() {
  $('key-form').hidden = false;
  $('key-set').hidden = true;
  $('key').focus();
  $('key').select();
}

/** Call `onKey` whenever a key was typed in. */
export function whenGiven(onKey) {
  $('key-form').addEventListener('submit', (event) => {
    event.preventDefault();
    held.key = $('key').value.trim();
    if (!held.key) return;
    $('key-form').hidden = true;
    $('key-set').hidden = false;
    onKey();
  });
}

$('key-change').addEventListener('click', askForKey);
