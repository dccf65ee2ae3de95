/** Keys for those who label much. They can be switched off, and never replace a button. */

const FIELDS = 'input:not([type=checkbox], [type=file]), select';

const $ = (id) => document.getElementById(id);

/**
 * Call `take` with 0 to 4, `skip` or `undo` as their keys are pressed, and `search` for any other
 * letter: what `search` moves the focus to then gets it.
 */
export function whenPressed({ take, skip, undo, search }) {
  const commands = { s: skip, u: undo, '/': search, '?': showHelp };
  document.addEventListener('keydown', (event) => {
    if (!isMeant(event)) return;
    const digit = digitOf(event);
    const key = event.key.toLowerCase();
    if (digit) act(event, () => take(digit - 1));
    else if (Object.hasOwn(commands, key)) act(event, commands[key]);
    else if (/^\p{L}$/u.test(event.key)) search();
  });
}

function act(event, command) {
  event.preventDefault();
  if (!event.repeat) command(); // a key held down labels one picture
}

function isMeant({ ctrlKey, altKey, metaKey, isComposing, defaultPrevented, target }) {
  if (ctrlKey || altKey || metaKey || isComposing || defaultPrevented) return false;
  return $('keys-on').checked && !$('keys').open && !target.matches(FIELDS);
}

/** 1 to 5, also where a keyboard gives digits with Shift alone, as a French one does; 0: another. */
function digitOf({ key, code, shiftKey }) {
  if (/^[1-5]$/.test(key)) return Number(key);
  return shiftKey ? 0 : Number(/^Digit([1-5])$/.exec(code)?.[1] ?? 0);
}

function showHelp() {
  $('keys').showModal();
}

$('help').addEventListener('click', showHelp);
$('keys-close').addEventListener('click', () => $('keys').close());
// A click beside the dialog is on the dialog itself; within it, on something that it holds.
$('keys').addEventListener('click', ({ target, clientX: x, clientY: y }) => {
  if (target !== $('keys')) return;
  const { left, right, top, bottom } = target.getBoundingClientRect();
  if (x < left || x > right || y < top || y > bottom) target.close();
});
