/** Keeps up with which model serves. The server's page says all of it: here it is only renewed. */

const ASK_EVERY_MS = 10000;
const ASK_TIMEOUT_MS = 8000;
// What changes in the page when another model begins to serve.
const CHANGING = ['model', 'banner', 'samples'];

const $ = (id) => document.getElementById(id);
const asking = { timer: 0, isUnderWay: false };

/** What is known of the serving model, and of the one that should serve. */
export function shownModel() {
  const { name, version, status, desired, classes } = $('model').dataset;
  const label = $('model-name');
  return {
    name, version, desired, classes: Number(classes),
    isStandIn: status === 'degraded', readable: label.textContent, tooltip: label.title,
  };
}

/** Tell whether this is the model shown. */
export function isShown({ name, version }) {
  const shown = shownModel();
  return shown.name === name && shown.version === version;
}

/** Ask for the health now, unless that question is already under way. */
export async function checkHealth() {
  if (asking.isUnderWay) return;
  clearTimeout(asking.timer);
  asking.isUnderWay = true;
  let isHealthy = false;
  try {
    const health = await (await ask('health', 'application/json')).json();
    isHealthy = health.status === 'healthy';
    if (isNews(health)) await renewModel();
  } catch {
    showSilence();
  } finally {
    asking.isUnderWay = false;
    if (!isHealthy) asking.timer = setTimeout(checkHealth, ASK_EVERY_MS);
  }
}

/** Take over what the server's page says now of the model, its samples and the service. */
export async function renewModel() {
  const response = await ask('.', 'text/html');
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
  for (const id of CHANGING) {
    const [old, renewed] = [$(id), fresh.getElementById(id)];
    if (renewed && old.outerHTML !== renewed.outerHTML) old.replaceWith(renewed);
  }
}

const ask = (path, accept) => fetch(path, {
  cache: 'no-store',
  headers: { Accept: accept },
  signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
});

function isNews(health) {
  const { name, version, status, reason } = $('model').dataset;
  const told = [health.model, health.model_version ?? '', health.status, health.reason ?? ''];
  return $('banner').dataset.silent !== undefined
    || told.join('\n') !== [name, version, status, reason].join('\n');
}

function showSilence() {
  const banner = $('banner');
  const strong = document.createElement('strong');
  strong.textContent = 'The service does not answer.';
  banner.classList.add('bad');
  banner.dataset.silent = '';
  if (!banner.textContent.startsWith(strong.textContent)) {
    banner.replaceChildren(strong, ' This page keeps asking.');
  }
  banner.hidden = false;
}
