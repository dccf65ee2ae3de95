/** Shows where on the picture a model saw its best class; asks for that only when a person does. */

import { drawHeatmap, readHeatmap, whereabouts } from './heatmap.js';
import { say } from './outcome.js';
import { queryOf } from './picker.js';
import { send } from './send.js';
import { beyondTitle, seconds } from './words.js';

const $ = (id) => document.getElementById(id);
const buttons = [$('explain'), $('explain-2')];
// The picture, who answered what about it, what has come of heatmaps, and which one is shown.
const now = { picture: null, answers: [], came: [], shown: null, running: null };

/** Offer a heatmap for each answer, `{ who, best }`; null is one that did not come. */
export function offerHeatmaps(picture, answers) {
  if (now.picture !== picture) forgetHeatmaps();
  answers.forEach((one, at) => { if (one !== now.answers[at]) forgetOne(at); });
  Object.assign(now, { picture, answers });
  tell();
}

/** Forget all of it: another picture comes. */
export function forgetHeatmaps() {
  now.running?.abort();
  Object.assign(now, { picture: null, answers: [], came: [], running: null });
  hide();
}

function forgetOne(at) {
  delete now.came[at];
  if (now.shown === at) hide();
}

function hide() {
  now.shown = null;
  say($('heat-failure'), '');
  say($('heat-said'), '');
  tell();
}

/** Have the buttons say what they do now. */
function tell() {
  const isOne = now.answers.filter(Boolean).length < 2;
  buttons.forEach((button, at) => {
    const answer = now.answers[at];
    button.hidden = !answer;
    if (!answer) return;
    const words = isOne
      ? `Show where ${answer.best} was seen`
      : `Show where ${answer.who} saw ${answer.best}`;
    button.textContent = now.shown === at ? 'Hide the heatmap' : words;
  });
  $('heat').hidden = now.shown === null;
  $('heat-controls').hidden = now.shown === null;
  $('preview').classList.toggle('heated', now.shown !== null);
}

async function ask(at) {
  const controller = now.running = new AbortController();
  const { who } = now.answers[at];
  say($('heat-failure'), '');
  say($('heat-said'), 'Looking at the picture once more …');
  const sent = await send(now.picture, `${queryOf(who)}&explain=heatmap`, controller.signal);
  if (controller.signal.aborted || !sent) return;
  say($('heat-said'), '');
  if (!sent.body?.heatmap) return say($('heat-failure'), wordsOf(sent));
  const { heatmap, predictions } = sent.body;
  const best = predictions.find((one) => one.class_id === heatmap.class_id)?.class_name;
  const read = await readHeatmap(heatmap);
  if (controller.signal.aborted) return;
  now.came[at] = { ...read, best: best ?? now.answers[at].best };
  show(at);
}

function wordsOf({ problem, waitS }) {
  if (!problem) return 'The answer has no heatmap.';
  const wait = waitS > 0 ? `Wait ${seconds(waitS)}.` : '';
  return [problem.title, beyondTitle(problem), wait].filter(Boolean).join(' ');
}

function show(at) {
  const { best } = now.came[at];
  const place = whereabouts(now.came[at]);
  drawHeatmap($('heat'), now.came[at]);
  $('heat').setAttribute('aria-label', `Heatmap: what counts most for ${best} lies ${place}.`);
  now.shown = at;
  say($('heat-failure'), '');
  say($('heat-said'), `Brighter parts count more for ${best}. Most of them lie ${place}.`);
  tell();
}

function setStrength() {
  $('heat').style.opacity = $('strength').value / 100;
}

buttons.forEach((button, at) => button.addEventListener('click', () => {
  now.running?.abort();
  if (now.shown === at) hide();
  else if (now.came[at]) show(at);
  else ask(at);
}));
$('strength').addEventListener('input', setStrength);
setStrength();
