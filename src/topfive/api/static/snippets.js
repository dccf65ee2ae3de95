/** The tabs with code, as ARIA's pattern says: arrow keys, Home and End move between them. */

const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
const ENDS = { Home: 0, End: -1 };

const tabs = [...document.querySelectorAll('[role=tab]')];

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

/** Name the service as this page knows it: a proxy in between may have told the server less. */
function nameService() {
  for (const code of document.querySelectorAll('[data-predict-url]')) {
    const address = new URL('predict', document.baseURI).href;
    code.textContent = code.textContent.replace(code.dataset.predictUrl, address);
  }
}

for (const tab of tabs) {
  tab.addEventListener('click', () => show(tab));
  tab.addEventListener('keydown', move);
}
nameService();
