/** Copies a text: the button's `data-copy` is the id of the element that holds it. */

const SHOWN_MS = 2000;

const $ = (id) => document.getElementById(id);

document.addEventListener('click', async ({ target }) => {
  const button = target.closest?.('[data-copy]');
  if (!button) return;
  const isCopied = await copy($(button.dataset.copy));
  const words = isCopied ? 'Copied' : 'Selected';
  tell(isCopied ? 'Copied.' : 'Selected. Copy it with your keyboard.');
  const label = button.firstChild;
  const before = button.dataset.label ??= label.textContent;
  label.textContent = words;
  setTimeout(() => { label.textContent = before; }, SHOWN_MS);
});

async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    // Only pages over HTTPS or on localhost have a clipboard; the old way needs a selection.
    getSelection().selectAllChildren(element);
    return document.execCommand('copy');
  }
}

/** Say it again, even where the same was said before. */
function tell(words) {
  $('copied').textContent = '';
  $('copied').textContent = words;
}
