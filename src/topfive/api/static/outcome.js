/** Shows what became of a picture with one model. Words from the server only ever become text. */

import { make, showClasses } from './classes.js';
import { countDown } from './countdown.js';
import { isShown, renewModel, shownModel } from './model.js';
import { listedModel, referenceOf } from './picker.js';
import { beyondTitle, milliseconds, percent, seconds } from './words.js';

const STEPS = ['queue', 'decode', 'inference'];

/** A column for one model's answer; the ids of its elements end in `suffix`. */
export class Column {
  #suffix;
  #stopCountdown = () => {};
  /** The reference of the model that answers here; empty: none is named. */
  reference = '';
  /** Whether nothing more is to be asked: an answer is there, or a failure. */
  isDone = false;
  /** What is compared of the answer: `{ who, best, isSure }`; null without one. */
  answer = null;

  constructor(suffix = '') {
    this.#suffix = suffix;
  }

  at = (id) => document.getElementById(`${id}${this.#suffix}`);

  /** Make it the column of a model; another model's answer is forgotten. */
  assign(reference) {
    if (reference !== this.reference) this.forget();
    this.reference = reference;
    write(this.at('who'), this.answer?.who ?? (reference || 'Default'));
  }

  /** Forget what is shown: the model is to be asked, again or for another picture. */
  forget() {
    this.isDone = false;
    this.answer = null;
  }

  /** Show words in place of an answer: what goes on, or what is missing. */
  showProgress(words) {
    this.#clear();
    this.at('progress').classList.remove('unseen');
    say(this.at('progress'), words);
    this.#keepHeadInView();
  }

  /** Show a failure; with `again` it may be tried again, after `waitS` seconds. */
  showFailure(problem, { again = false, waitS = 0 } = {}) {
    this.#clear();
    this.isDone = true;
    const { title, more = '' } = problem;
    const wait = again && waitS > 0 ? `Wait ${seconds(waitS)}.` : '';
    this.at('failure-title').textContent = title;
    say(this.at('failure-detail'), `${beyondTitle(problem)} ${wait}`.trim());
    say(this.at('failure-more'), more);
    this.at('failure').hidden = false;
    this.at('again-line').hidden = !again;
    this.#countDown(again ? waitS : 0);
    this.#keepHeadInView();
  }

  /** Show the classes, who answered and where the time went. */
  async showResult({ body, elapsedMs }, isCurrent) {
    const model = await this.#modelOf(body.model);
    if (!isCurrent()) return;
    this.#clear();
    this.isDone = true;
    const isSure = showClasses(this.at, body.predictions, model.classes);
    this.answer = { who: referenceOf(body.model), best: body.predictions[0].class_name, isSure };
    write(this.at('who'), this.answer.who);
    this.#sayAloud(body.predictions);
    this.#showModel(body, model);
    this.#showTiming(body.timing_ms, elapsedMs);
    this.at('raw').textContent = JSON.stringify(body, null, 2);
    this.at('result').hidden = false;
    this.#keepHeadInView();
  }

  /** The model that answered; the page's own head is renewed where another one serves by now. */
  async #modelOf(answered) {
    if (!this.reference && !isShown(answered)) await renewModel().catch(() => {});
    const listed = listedModel(answered);
    if (listed) return { readable: referenceOf(answered), classes: listed.num_classes };
    return isShown(answered) ? shownModel() : { readable: answered.name, classes: 0 };
  }

  #sayAloud(predictions) {
    const { who, isSure } = this.answer;
    const most = predictions.map(spoken).join(', ');
    const words = `${isSure ? 'The' : 'Not sure. The'} most likely classes: ${most}.`;
    this.#announce(this.at('who').offsetHeight > 0 ? `${who}: ${words}` : words);
  }

  #showModel(body, model) {
    const { name, version } = body.model;
    write(this.at('by-name'), model.readable);
    this.at('by-name').title = model.tooltip ?? `${name}, version ${version}`;
    const isStandIn = body.degraded ?? model.isStandIn ?? false;
    const { desired } = shownModel();
    const words = `This answer is from ${model.readable}, which stands in for ${desired}.`;
    say(this.at('stand-in'), isStandIn ? words : '');
  }

  #showTiming(timing, elapsedMs) {
    const parts = STEPS.map((step) => segment(step, timing[step] / timing.total));
    const pairs = [...STEPS, 'total'].map((step) => timed(step, timing[step]));
    this.at('times-title').textContent = `Took ${milliseconds(timing.total)}`;
    this.at('split').replaceChildren(...parts);
    this.at('timing').replaceChildren(...pairs);
    say(this.at('elapsed'), elapsedMs ? `${milliseconds(elapsedMs)} with the way there and back.` : '');
  }

  #countDown(waitS) {
    const button = this.at('again');
    this.#stopCountdown = countDown(waitS, (left) => {
      button.disabled = left > 0;
      button.textContent = left > 0 ? `Try again in ${seconds(left)}` : 'Try again';
      if (left === 0 && waitS > 0) this.#announce('You can try again now.');
    });
  }

  /** Tell it to a screen reader; the eyes see it elsewhere. */
  #announce(words) {
    this.at('progress').classList.add('unseen');
    say(this.at('progress'), words);
  }

  #clear() {
    this.#stopCountdown();
    say(this.at('progress'), '');
    for (const id of ['failure', 'again-line', 'result']) this.at(id).hidden = true;
  }

  /** The first answer stands near the top: from there, neither it nor the page's head is cut off. */
  #keepHeadInView() {
    if (!this.#suffix) scrollTo({ top: 0 });
  }
}

const spoken = ({ class_name: name, confidence }) => `${name} ${percent(confidence)}`;

function segment(step, share) {
  const part = make('div', step);
  part.style.width = `${Math.min(1, Math.max(0, share)) * 100}%`;
  return part;
}

function timed(step, value) {
  const pair = make('div', step);
  pair.append(make('dt', '', step), make('dd', '', milliseconds(value)));
  return pair;
}

/** Set an element's text; without any it is not shown. */
export function say(element, text) {
  if (element.textContent !== text) write(element, text);
  element.hidden = text === '';
}

/** Write a text whose references of models may go on in the next line, at their version. */
function write(element, text) {
  const [before, ...versions] = text.split('@');
  element.replaceChildren(before, ...versions.flatMap((one) => [make('wbr'), `@${one}`]));
}
