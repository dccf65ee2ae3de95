/** Keeps the figures of the chosen model in step: its accuracy by labels, and its drift. */

import { showAccuracy } from './accuracy.js';
import { make } from './classes.js';
import { showDrift } from './drift.js';
import { isMissing } from './key.js';
import { ask } from './records.js';
import { chosenModel } from './versions.js';
import { beyondTitle } from './words.js';

// Whoever labels fast is not to have the figures counted anew each time.
const PAUSE_MS = 2000;

const $ = (id) => document.getElementById(id);
const now = { timer: 0, asked: 0 };

/** Ask for both figures, one after the other: counting them is work; and show what comes. */
export async function renewFigures() {
  clearTimeout(now.timer);
  const { model, version } = chosenModel();
  if (!model || isMissing()) return;
  now.asked += 1;
  const asked = now.asked;
  const path = `models/${encodeURIComponent(model)}`;
  const query = `?${new URLSearchParams({ version })}`;
  await tell('accuracy', `${path}/accuracy${query}`, showAccuracy, asked);
  await tell('drift', `${path}/drift${query}`, showDrift, asked);
}

/** Ask for them once no label was given for a moment. */
export function renewFiguresSoon() {
  clearTimeout(now.timer);
  now.timer = setTimeout(renewFigures, PAUSE_MS);
}

async function tell(name, path, show, asked) {
  if (asked !== now.asked) return; // another model is asked about by now
  const { body, failure } = await ask(path);
  if (asked !== now.asked) return;
  if (body) $('figures').hidden = false; // else it is told above, most likely
  $(`${name}-told`).replaceChildren(...(body ? told(body, show) : [failed(failure)]));
}

function told({ model, versions, ...rest }, show) {
  if (versions.length === 0) return [make('p', 'quiet', 'Nothing was predicted by this model yet.')];
  const [newest] = versions;
  return [make('p', 'quiet', `${model}@${newest.version}`), ...show(newest, rest)];
}

function failed({ problem }) {
  const note = make('p', 'note bad');
  note.append(make('strong', '', problem.title), ` ${beyondTitle(problem)}`);
  return note;
}
