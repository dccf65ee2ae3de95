/** Which models are asked: a choice among those that are ready, kept in the page's address alone. */

import { isMissing, keyHeader } from './key.js';

const ASK_TIMEOUT_MS = 8000;
// How a version may be named otherwise than in the list.
const OTHERWISE = /@(latest|sha256:[0-9a-f]+)$/;

const $ = (id) => document.getElementById(id);
// What /models said last, of models that are ready; and the question under way.
const known = { models: [], routes: {}, asking: Promise.resolve() };
const callbacks = [];

/** Call `onChoice` when the choice may be another; its argument tells whether a person made it. */
export const whenChosen = (onChoice) => callbacks.push(onChoice);

/** Wait until it is known which models there are, or that this cannot be known. */
export const modelsKnown = () => known.asking;

/** Ask again which models are ready. */
export function renewModels() {
  const ignore = () => {}; // silence is no news
  known.asking = isMissing() ? Promise.resolve() : ask().then(offer, ignore);
  return known.asking;
}

/** The reference of the model to ask, and of the one to compare it with; empty: none is named. */
export function choice() {
  return $('picker').hidden ? ['', ''] : [$('chosen').value, $('compared').value];
}

/** What a reference is in an address: no query where it is empty. */
export function queryOf(reference) {
  if (!reference) return '';
  const [model, ...version] = reference.split('@');
  const named = version.length > 0 ? { model, version: version.join('@') } : { model };
  return `?${new URLSearchParams(named)}`;
}

/** What /models tells of a model that answered; undefined without a picker or such a model. */
export function listedModel({ name, version }) {
  if ($('picker').hidden) return undefined;
  return known.models.find((one) => one.name === name && one.version === version);
}

/** The name and version of a model as one reference. */
export const referenceOf = ({ name, version }) => `${name}@${version}`;

async function ask() {
  const response = await fetch('models', {
    cache: 'no-store',
    headers: { Accept: 'application/json', ...keyHeader() },
    signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
  });
  if (response.status >= 500) throw new Error('It may be told later.');
  return response.ok ? response.json() : null;
}

function offer(told) {
  known.models = told?.models?.filter((one) => one.state === 'ready') ?? [];
  known.routes = told?.routes ?? {};
  const wanted = wantedByAddress();
  const isOther = wanted.some((one) => one && !isReady(one));
  $('picker').hidden = !told || (known.models.length < 2 && !isOther);
  fill($('chosen'), nameOfDefault(), wanted[0]);
  fill($('compared'), 'nothing', wanted[1]);
  tell(false);
}

/** What the address asks for; a name alone means its active version, as for the API. */
function wantedByAddress() {
  const query = new URLSearchParams(location.search);
  return ['model', 'compare'].map((name) => {
    const reference = query.get(name) ?? '';
    const active = known.models.find((one) => one.name === reference && one.active);
    return active ? referenceOf(active) : reference;
  });
}

const isReady = (reference) => known.models.some((one) => referenceOf(one) === reference);

/** Whether the API takes a reference that is not in the list. */
function isUnderstood(reference) {
  return Object.hasOwn(known.routes, reference) || OTHERWISE.test(reference);
}

/** Fill a list; a model that is wanted and not ready stays the choice, and is told to be so. */
function fill(select, none, wanted) {
  const options = [[none, ''], ...known.models.map((one) => [referenceOf(one), referenceOf(one)])];
  if (isUnderstood(wanted)) options.push([wanted, wanted]);
  else if (wanted && !isReady(wanted)) options.push([`${wanted} (not ready)`, wanted]);
  const listed = JSON.stringify(options);
  if (select.dataset.listed !== listed) { // an open list is left alone where nothing is new
    select.replaceChildren(...options.map(([text, value]) => new Option(text, value)));
    select.dataset.listed = listed;
  }
  select.value = wanted;
}

/** Name what answers where no model is named: where the default route leads. */
function nameOfDefault() {
  const targets = known.routes.default?.targets ?? [];
  const names = targets.filter((one) => one.weight > 0).map(({ model, version }) => {
    const active = known.models.find((one) => one.name === model && one.active);
    return version ? `${model}@${version}` : active && referenceOf(active);
  });
  const told = names.filter(isReady).join(' or '); // what is not is stood in for
  return told ? `default: ${told}` : 'default';
}

function writeAddress() {
  const address = new URL(location.href);
  for (const [index, name] of ['model', 'compare'].entries()) {
    if (choice()[index]) address.searchParams.set(name, choice()[index]);
    else address.searchParams.delete(name);
  }
  address.search = address.search.replaceAll('%40', '@'); // as people write it
  history.replaceState(history.state, '', address);
}

function tell(isByHand) {
  for (const onChoice of callbacks) onChoice(isByHand);
}

for (const select of [$('chosen'), $('compared')]) {
  select.addEventListener('change', () => {
    writeAddress();
    tell(true);
  });
}
