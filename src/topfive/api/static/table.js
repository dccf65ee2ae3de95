/** Writes the results of many pictures as CSV and as JSON. Nothing here touches the page. */

const CLASSES = [0, 1, 2, 3, 4];
const COLUMNS = [
  'file', 'model', 'version', 'format', 'width', 'height',
  ...CLASSES.flatMap((at) => [`class_${at + 1}`, `confidence_${at + 1}`]),
  'error', 'detail',
];
// What a spreadsheet would take for a formula.
const FORMULA = /^[=+\-@\t\r]/;

/** One line for each settled picture, as spreadsheets read it: RFC 4180, UTF-8 with its mark. */
export function csvOf(pictures) {
  const lines = pictures.filter((one) => one.isSettled).map(cells);
  return `\ufeff${[COLUMNS, ...lines].map((one) => `${one.map(quoted).join(',')}\r\n`).join('')}`;
}

/** The settled pictures' results as the API gives them, each with its file's name. */
export function jsonOf(pictures) {
  const results = pictures.filter((one) => one.isSettled).map(({ name: file, result, error }) => {
    if (error) return { file, ok: false, error };
    const { model, predictions, image, timing_ms } = result;
    return { file, ok: true, model, predictions, image, timing_ms };
  });
  return `${JSON.stringify({ results }, null, 2)}\n`;
}

function cells({ name, result, error }) {
  if (error) return [name, ...Array(COLUMNS.length - 3).fill(''), error.code, error.detail];
  const { model, image, predictions } = result;
  const classes = CLASSES.flatMap((at) => {
    const { class_name: best = '', confidence = '' } = predictions[at] ?? {};
    return [best, confidence];
  });
  return [name, model.name, model.version, image.format, image.width, image.height, ...classes, '', ''];
}

function quoted(value) {
  if (typeof value === 'number') return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
