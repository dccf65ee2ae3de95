/** Shows which model serves and, while the service is not healthy, why. */

const HEALTH_EVERY_MS = 10000;
const HEALTH_TIMEOUT_MS = 8000;

const $ = (id) => document.getElementById(id);
const asking = { timer: 0, isUnderWay: false };

/** Ask for the health now, unless that question is already under way. */
export function checkHealth() {
  if (!asking.isUnderWay) ask();
}

/** Tell whether another model than the one shown has answered. */
export const isNews = (model) => $('model-name').textContent !== named(model.name, model.version);

async function ask() {
  clearTimeout(asking.timer);
  asking.isUnderWay = true;
  let isHealthy = false;
  try {
    const response = await fetch('health', {
      cache: 'no-store',
      headers: { Accept: 'application/json' },
      signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS),
    });
    isHealthy = show(await response.json());
  } catch {
    showBanner('The service does not answer.', 'This page keeps asking.', true);
  } finally {
    asking.isUnderWay = false;
    if (!isHealthy) asking.timer = setTimeout(ask, HEALTH_EVERY_MS);
  }
}

function show(health) {
  $('model').className = `model ${health.status}`;
  $('model-status').textContent = health.status;
  $('model-name').textContent = named(health.model, health.model_version);
  const sample = $('sample');
  if (sample) sample.hidden = sample.dataset.model !== health.model;
  if (health.status === 'healthy') {
    $('banner').hidden = true;
    return true;
  }
  const isDown = health.status !== 'degraded';
  const title = isDown
    ? 'No picture can be classified now.'
    : `The service is degraded: ${health.model} answers in place of the model asked for.`;
  showBanner(title, health.reason ?? '', isDown);
  return false;
}

function named(name, version) {
  return version === null ? name : `${name}, version ${version}`;
}

function showBanner(title, reason, isDown) {
  const banner = $('banner');
  banner.classList.toggle('bad', isDown);
  if (banner.textContent !== `${title} ${reason}`) {
    const strong = document.createElement('strong');
    strong.textContent = title;
    banner.replaceChildren(strong, ` ${reason}`);
  }
  banner.hidden = false;
}
