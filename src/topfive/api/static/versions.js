/** Which predictions are looked at: of which model, labelled or not; kept in the page's address. */

import { ask } from './records.js';

const ALL = 'all models';
const SHOWN = {
  '': { labelled: 'false', order: 'least_confident' },
  newest: { labelled: 'false', order: 'newest' },
  labelled: { labelled: 'true', order: 'newest' },
};

const $ = (id) => document.getElementById(id);
const { model, version } = document.querySelector('main').dataset;
const serving = version ? `${model}@${version}` : '';
const known = new Set(serving ? [serving] : []);

/** The query of the predictions that are chosen. */
export function chosenQuery() {
  return { ...SHOWN[$('shown').value], ...namedBy($('version').value) };
}

/** Whether those are looked at that have a label. */
export const areLabelled = () => $('shown').value === 'labelled';

/** The model and version whose figures are shown; empty where none is known. */
export const chosenModel = () => namedBy($('version').value || serving);

/** Have the versions of some predictions in the list too. */
export function noteVersions(predictions) {
  for (const one of predictions) known.add(`${one.model.name}@${one.model.version}`);
  fill();
}

/** Ask which models are ready. A key may be good for this page and not for that question. */
export async function renewVersions() {
  const { body } = await ask('models');
  const ready = body?.models?.filter((one) => one.state === 'ready') ?? [];
  noteVersions(ready.map((one) => ({ model: one })));
}

/** Call `onChoice` whenever a person makes another choice. */
export function whenChosen(onChoice) {
  for (const select of [$('version'), $('shown')]) {
    select.addEventListener('change', () => {
      writeAddress();
      onChoice();
    });
  }
}

function namedBy(reference) {
  if (!reference) return {};
  const [name, ...rest] = reference.split('@');
  return { model: name, version: rest.join('@') };
}

function fill() {
  const wanted = $('version').value;
  const listed = [...known].sort();
  $('version-line').hidden = listed.length < 2;
  const options = [[ALL, ''], ...listed.map((one) => [one, one])];
  const text = JSON.stringify(options);
  if ($('version').dataset.listed === text) return; // an open list is left alone
  $('version').replaceChildren(...options.map(([name, value]) => new Option(name, value)));
  $('version').dataset.listed = text;
  $('version').value = wanted;
}

function readAddress() {
  const query = new URLSearchParams(location.search);
  const reference = query.get('model') ?? '';
  if (reference.includes('@')) known.add(reference);
  fill();
  if (known.has(reference)) $('version').value = reference;
  if (Object.hasOwn(SHOWN, query.get('show') ?? '')) $('shown').value = query.get('show') ?? '';
}

function writeAddress() {
  const address = new URL(location.href);
  for (const [name, select] of [['model', $('version')], ['show', $('shown')]]) {
    if (select.value) address.searchParams.set(name, select.value);
    else address.searchParams.delete(name);
  }
  address.search = address.search.replaceAll('%40', '@'); // as people write it
  history.replaceState(history.state, '', address);
}

readAddress();
