/** The tabs with code, as ARIA's pattern says (arrow keys, Home, End), and what the code says. */

const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
const ENDS = { Home: 0, End: -1 };

const tabs = [...document.querySelectorAll('[role=tab]')];
const codes = [...document.querySelectorAll('[data-predict-url]')].map((element) => ({
  element, text: element.textContent,
}));

function show(tab) {
  for (const one of tabs) {
    const isShown = one === tab;
    one.setAttribute('aria-selected', String(isShown));
    one.tabIndex = isShown ? 0 : -1;
    document.getElementById(one.getAttribute('aria-controls')).hidden = !isShown;
  }
}

function move(event) {
  const index = tabs.indexOf(event.target);
  const next = event.key in STEPS
    ? tabs[(index + STEPS[event.key] + tabs.length) % tabs.length]
    : tabs.at(ENDS[event.key]);
  if (!(event.key in STEPS || event.key in ENDS)) return;
  event.preventDefault();
  show(next);
  next.focus();
}

/**
 * Name the service as this page knows it: a proxy in between may have told the server less. The
 * query names the chosen model; a shell would take its `&` for a command's end.
 */
export function writeCode(query = '') {
  const address = new URL(`predict${query}`, document.baseURI).href;
  for (const { element, text } of codes) {
    const isQuoted = query && element.id === 'curl';
    const words = isQuoted ? `'${address}'` : address;
    element.textContent = text.replace(element.dataset.predictUrl, () => words);
  }
}

for (const tab of tabs) {
  tab.addEventListener('click', () => show(tab));
  tab.addEventListener('keydown', move);
}
writeCode();
