/** Draws charts as SVG, and says in a table what they show. */

import { make } from './classes.js';

const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [420, 180];
const EDGE = { left: 42, right: 10, top: 10, bottom: 24 };

/** Make an element of an SVG. */
export function draw(tag, attributes = {}, text = '') {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

const inner = { width: WIDTH - EDGE.left - EDGE.right, height: HEIGHT - EDGE.top - EDGE.bottom };

/** A place across, from a share of the width; and one up, from a share of the height. */
const across = (share) => EDGE.left + share * inner.width;
const up = (share) => EDGE.top + (1 - share) * inner.height;

/** The least of 1, 2 and 5 times a power of ten that is not below a value. */
function roundedUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= value * 0.9999);
}

/** An empty chart; `label` says in words what it shows, `ticks` are `[share, text]` up its side. */
function frame(label, ticks) {
  const svg = draw('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'chart', role: 'img', 'aria-label': label });
  for (const [share, text] of ticks) {
    const y = up(share);
    svg.append(draw('line', { class: 'rule', x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y, y2: y }));
    svg.append(draw('text', { class: 'tick', x: EDGE.left - 6, y: y + 4, 'text-anchor': 'end' }, text));
  }
  return svg;
}

function below(svg, share, text, anchor) {
  svg.append(draw('text', {
    class: 'tick', x: across(share), y: HEIGHT - 6, 'text-anchor': anchor,
  }, text));
}

/** The days that are told first and last, below their ends. */
function dates(svg, days) {
  const [first, last] = [days[0].date, days.at(-1).date];
  if (first === last) return below(svg, 0.5, first, 'middle');
  below(svg, 0, first, 'start');
  return below(svg, 1, last, 'end');
}

/** Where a day is across: days without data leave their room. */
function places(days) {
  const times = days.map(({ date }) => Date.parse(date));
  const [first, span] = [times[0], times.at(-1) - times[0]];
  return times.map((time) => (span > 0 ? 0.03 + 0.94 * ((time - first) / span) : 0.5));
}

/**
 * Draw values by day. `lines` are `{ className, read }`: `read` gives of a day `{ value }`, where
 * there is an interval `low` and `high`, and `isMarked`; `levels` are `{ value, className }` across
 * all days; `least` is how far up it goes at least, `format` writes a value.
 */
export function chartByDay({ label, days, lines, levels = [], least = 1, format }) {
  const most = roundedUp(Math.max(least, ...days.flatMap((day) => lines.map(({ read }) => read(day).value))));
  const svg = frame(label, [0, most / 2, most].map((value) => [value / most, format(value)]));
  const xs = places(days).map(across);
  const y = (value) => up(Math.min(1, value / most));
  for (const { value, className } of levels) {
    svg.append(draw('line', {
      class: `level ${className}`, x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(value), y2: y(value),
    }));
  }
  for (const { className, read } of lines) {
    const points = days.map((day, at) => ({ x: xs[at], ...read(day) }));
    svg.append(...band(points, className, y), ...line(points, className, y));
  }
  dates(svg, days);
  return svg;
}

function band(points, className, y) {
  const known = points.filter(({ low }) => low !== undefined);
  if (known.length === 0) return [];
  if (known.length === 1) {
    const [{ x, low, high }] = known;
    return [draw('line', { class: `whisker ${className}`, x1: x, x2: x, y1: y(low), y2: y(high) })];
  }
  const there = known.map(({ x, high }) => `${x},${y(high)}`);
  const back = known.toReversed().map(({ x, low }) => `${x},${y(low)}`);
  return [draw('polygon', { class: `band ${className}`, points: [...there, ...back].join(' ') })];
}

function line(points, className, y) {
  const corners = points.map(({ x, value }) => `${x},${y(value)}`).join(' ');
  const dots = points.map(({ x, value, isMarked }) => draw('circle', {
    class: `dot ${className}`, cx: x, cy: y(value), r: isMarked ? 5 : 3,
  }));
  return [draw('polyline', { class: `line ${className}`, points: corners }), ...dots];
}

/** Draw two shares for each group as bars side by side; `groups` are `{ reference, window }`. */
export function chartOfShares({ label, groups, ends, format }) {
  const most = roundedUp(Math.max(...groups.flatMap((one) => [one.reference, one.window]), 0.01));
  const svg = frame(label, [0, most / 2, most].map((value) => [value / most, format(value)]));
  const width = inner.width / groups.length;
  for (const [at, one] of groups.entries()) {
    for (const [side, name] of ['reference', 'window'].entries()) {
      const height = (one[name] / most) * inner.height;
      svg.append(draw('rect', {
        class: `share ${name}`, x: EDGE.left + at * width + width * (0.12 + 0.38 * side),
        y: up(0) - height, width: width * 0.38, height,
      }));
    }
  }
  below(svg, 0, ends[0], 'start');
  below(svg, 1, ends[1], 'end');
  return svg;
}

/** Draw how often the model was right where it was so sure: on the diagonal it is calibrated. */
export function chartOfCalibration({ label, bins, format }) {
  const svg = frame(label, [0, 0.5, 1].map((value) => [value, format(value)]));
  svg.append(draw('line', { class: 'level', x1: across(0), y1: up(0), x2: across(1), y2: up(1) }));
  for (const { confidence, accuracy } of bins.filter((one) => one.count > 0)) {
    const x = across(confidence);
    svg.append(draw('line', { class: 'whisker first', x1: x, x2: x, y1: up(accuracy.low), y2: up(accuracy.high) }));
    svg.append(draw('circle', { class: 'dot first', cx: x, cy: up(accuracy.value), r: 3 }));
  }
  below(svg, 0, '0%', 'start');
  below(svg, 1, '100%', 'end');
  return svg;
}

/** A chart with its title, and below it what its marks mean: `key` are `[className, words]`. */
export function figure(title, chart, key, table) {
  const element = make('figure', 'plot');
  element.append(make('h3', '', title), chart);
  if (key.length > 0) element.append(legend(key));
  if (table) element.append(table);
  return element;
}

function legend(key) {
  const list = make('ul', 'legend');
  list.setAttribute('role', 'list');
  list.append(...key.map(([className, words]) => {
    const item = make('li', '', words);
    item.prepend(make('span', `swatch ${className}`));
    return item;
  }));
  return list;
}

/** The same figures as a table, folded away. */
export function tableOf(title, head, rows) {
  const details = make('details');
  const table = make('table');
  const [top, body] = [make('thead'), make('tbody')];
  top.append(row(head, 'th'));
  body.append(...rows.map((cells) => row(cells, 'td')));
  table.append(make('caption', 'unseen', title), top, body);
  const room = make('div', 'wide');
  room.tabIndex = 0; // so that it can be scrolled with keys
  room.setAttribute('role', 'region');
  room.setAttribute('aria-label', title);
  room.append(table);
  details.append(make('summary', '', 'As a table'), room);
  return details;
}

function row(cells, tag) {
  const line = make('tr');
  line.append(...cells.map((text) => {
    const cell = make(tag, '', text);
    if (tag === 'th') cell.scope = 'col';
    return cell;
  }));
  return line;
}
