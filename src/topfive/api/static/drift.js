/** Shows whether predictions have come to differ from the version's reference. */

import { headline } from './accuracy.js';
import { chartByDay, chartOfShares, figure, tableOf } from './chart.js';
import { make } from './classes.js';
import { number } from './words.js';

const whole = (share) => `${Math.round(share * 100)}%`;
const exact = (share) => `${(share * 100).toFixed(1)}%`;
const decimals = (value) => value.toFixed(2);

/** The elements that tell a version's drift. */
export function showDrift(version) {
  const { is_enough: isEnough, is_alarm: isAlarm, note, days, classes, confidences } = version;
  const measured = days.filter((one) => one.psi !== null);
  return [
    make('p', isAlarm ? 'note bad' : 'verdict-line', note ?? 'Predictions are as in the reference.'),
    ...(version.window.count > 0 ? [make('p', 'quiet', basis(version))] : []),
    ...(isEnough ? [headlines(version)] : []),
    ...(measured.length > 0 ? [byDay(version, measured)] : []),
    ...(classes ? [byClass(classes)] : []),
    ...(confidences ? [byConfidence(confidences)] : []),
  ];
}

function basis({ reference, window: compared }) {
  const what = reference.source === 'evaluation'
    ? `${number(reference.count, 0)} photos held out when the model was made`
    : `the first ${number(reference.count, 0)} predictions of it`;
  return `The newest ${number(compared.count, 0)} predictions beside ${what}.`;
}

function headlines({ classes, confidences }) {
  const list = make('dl', 'headlines');
  list.append(
    headline('Classes', `PSI ${decimals(classes.psi)}`, limit(classes)),
    headline('Confidences', `KS ${decimals(confidences.ks)}`, limit(confidences)),
    headline('Mean confidence', exact(confidences.window_mean), `reference: ${exact(confidences.reference_mean)}`),
  );
  return list;
}

function limit({ threshold, by_chance: byChance, is_alarm: isAlarm }) {
  const from = Math.max(threshold, byChance);
  return `${isAlarm ? 'drift: over' : 'drift from'} ${decimals(from)}`;
}

function byDay({ classes }, days) {
  const threshold = classes?.threshold ?? 0.2;
  const alarms = days.filter((one) => one.is_alarm).length;
  const label = `PSI and KS by day, ${days[0].date} to ${days.at(-1).date}; ${alarms} days with drift.`;
  const chart = chartByDay({
    label, days, least: 2 * threshold, format: decimals,
    lines: [
      { className: 'first', read: ({ psi, is_alarm: isMarked }) => ({ value: psi, isMarked }) },
      { className: 'third', read: ({ ks, is_alarm: isMarked }) => ({ value: ks, isMarked }) },
    ],
    levels: [{ value: threshold, className: 'limit' }],
  });
  const rows = days.map((day) => [
    day.date, number(day.predictions, 0), decimals(day.psi), decimals(day.ks), day.is_alarm ? 'drift' : 'none',
  ]);
  const table = tableOf('Drift by day', ['Day', 'Predictions', 'PSI', 'KS', 'Alarm'], rows);
  const key = [['first', 'PSI of the classes'], ['third', 'KS distance of the confidences'], ['limit', `PSI ${threshold}`]];
  return figure('By day', chart, key, table);
}

const SHARES = [['reference', 'reference'], ['window', 'now']];

function byClass({ groups, changed }) {
  const ends = [groups[0].first_class_name, groups.at(-1).last_class_name];
  const label = 'Shares of groups of classes, in the reference and now.';
  const chart = chartOfShares({ label, groups, ends, format: whole });
  const rows = changed.map((one) => [one.class_name, exact(one.reference), exact(one.window)]);
  const element = figure('Predicted classes', chart, SHARES,
    tableOf('Classes that changed most', ['Changed most', 'Reference', 'Now'], rows));
  return element;
}

function byConfidence({ bins }) {
  const label = 'How confident predictions are, in the reference and now.';
  const chart = chartOfShares({ label, groups: bins, ends: ['0%', '100%'], format: whole });
  const rows = bins.map((one) => [
    `${whole(one.low)} to ${whole(one.high)}`, exact(one.reference), exact(one.window),
  ]);
  return figure('Confidences', chart, SHARES,
    tableOf('Confidences', ['Confidence', 'Reference', 'Now'], rows));
}
