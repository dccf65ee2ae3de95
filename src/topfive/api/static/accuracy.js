/** Shows how often a version was right, as far as labels tell. */

import { chartByDay, chartOfCalibration, figure, tableOf } from './chart.js';
import { make } from './classes.js';
import { number } from './words.js';

const whole = (share) => `${Math.round(share * 100)}%`;
const exact = (share) => `${(share * 100).toFixed(1)}%`;

/** The elements that tell a version's accuracy. */
export function showAccuracy(version) {
  const { labels, note, days, calibration } = version;
  if (labels === 0) return [make('p', '', note ?? 'No prediction of this model is labelled yet.')];
  return [
    headlines(version),
    ...(note ? [make('p', 'note', note)] : []),
    ...(days.length > 0 ? [byDay(version)] : []),
    ...(calibration ? [byConfidence(version)] : []),
  ];
}

function headlines({ top1, top5, labels, is_enough: isEnough, held_out_top1: heldOut }) {
  const list = make('dl', isEnough ? 'headlines' : 'headlines few');
  list.append(
    headline('Top 1 right', exact(top1.value), range(top1)),
    headline('Top 5 right', exact(top5.value), range(top5)),
    headline('Labels', number(labels, 0), isEnough ? 'enough to tell' : 'too few to tell'),
    ...(heldOut === null ? [] : [headline('When made', exact(heldOut), 'top 1 on photos held out')]),
  );
  return list;
}

const range = ({ low, high }) => `95%: ${exact(low)} to ${exact(high)}`;

export function headline(name, value, more) {
  const pair = make('div');
  const told = make('dd', '', value);
  told.append(make('span', 'quiet', more));
  pair.append(make('dt', '', name), told);
  return pair;
}

function byDay({ days, top1, labels, held_out_top1: heldOut }) {
  const label = `Share of right predictions by day, ${days[0].date} to ${days.at(-1).date}; `
    + `in all ${exact(top1.value)} top 1, of ${number(labels, 0)} labels.`;
  const chart = chartByDay({
    label, days, format: whole,
    lines: [{ className: 'second', read: (day) => day.top5 }, { className: 'first', read: (day) => day.top1 }],
    levels: heldOut === null ? [] : [{ value: heldOut, className: 'held-out' }],
  });
  const key = [['first', 'top 1'], ['second', 'top 5'], ['band-key', '95% interval'],
    ...(heldOut === null ? [] : [['held-out', 'when the model was made']])];
  const rows = days.map((day) => [
    day.date, number(day.labels, 0), withRange(day.top1), withRange(day.top5),
  ]);
  const table = tableOf('Accuracy by day', ['Day', 'Labels', 'Top 1', 'Top 5'], rows);
  return figure('By day of the prediction', chart, key, table);
}

const withRange = ({ value, low, high }) => `${exact(value)} (${exact(low)} to ${exact(high)})`;

function byConfidence({ calibration, is_enough: isEnough }) {
  const { bins, error, error_by_chance: byChance, is_off: isOff } = calibration;
  const told = verdict(isOff, isEnough);
  const label = `Share of right predictions by confidence. ${told}`;
  const chart = chartOfCalibration({ label, bins, format: whole });
  const used = bins.filter((one) => one.count > 0);
  const rows = used.map(({ low, high, count, confidence, accuracy }) => [
    `${whole(low)} to ${whole(high)}`, number(count, 0), exact(confidence), withRange(accuracy),
  ]);
  const head = ['Confidence', 'Labels', 'Mean confidence', 'Top 1 right'];
  const element = figure('By confidence', chart, [['first', 'top 1 right, 95% interval'], ['diagonal', 'perfectly calibrated']],
    tableOf('Accuracy by confidence', head, rows));
  const words = `${told} Calibration error ${exact(error)}; up to ${exact(byChance)} may be chance.`;
  element.querySelector('h3').after(make('p', 'quiet', words));
  return element;
}

function verdict(isOff, isEnough) {
  if (!isEnough) return 'Too few labels to tell whether confidences can be believed.';
  return isOff ? 'Confidences are not how often it is right.' : 'Confidences can be believed.';
}
