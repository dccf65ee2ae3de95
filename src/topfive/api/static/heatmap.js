/** Draws a heatmap over a picture, and says in words where it is hottest. */

// From cold to hot, each as red, green and blue: matplotlib's "inferno", whose lightness rises evenly,
// so that eyes that see few colours, and prints, show the same.
const RAMP = [
  [0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21],
  [250, 193, 39], [252, 255, 164],
];
const ROWS = ['upper', '', 'lower'];
const COLUMNS = ['left', '', 'right'];

/** Read the grey values, 0 cold to 255 hot, of a heatmap as the API gives it: `{ width, height, grey }`. */
export async function readHeatmap({ png }) {
  const bytes = Uint8Array.from(atob(png), (one) => one.charCodeAt(0));
  const options = { colorSpaceConversion: 'none' };
  const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }), options);
  const { width, height } = bitmap;
  const context = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d');
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, grey: data.filter((_, at) => at % 4 === 0) };
}

/** Draw it in colours; what is cold lets the picture through. */
export function drawHeatmap(canvas, { width, height, grey }) {
  Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d');
  const drawn = context.createImageData(width, height);
  grey.forEach((value, at) => drawn.data.set([...colourOf(value / 255), opacityOf(value / 255)], at * 4));
  context.putImageData(drawn, 0, 0);
}

/** Say where the middle of the hottest fifth of a picture lies, such as "in the upper left". */
export function whereabouts({ width, height, grey }) {
  const least = [...grey].sort((one, other) => other - one)[Math.floor(grey.length / 5)];
  let [weight, across, down] = [0, 0, 0];
  grey.forEach((value, at) => {
    const heat = Math.max(0, value - least);
    weight += heat;
    across += heat * ((at % width) + 0.5);
    down += heat * (Math.floor(at / width) + 0.5);
  });
  if (weight === 0) return 'nowhere in particular';
  const third = (share) => Math.min(2, Math.floor(share * 3));
  const words = [ROWS[third(down / weight / height)], COLUMNS[third(across / weight / width)]];
  const place = words.filter(Boolean).join(' ');
  if (!place) return 'in the middle';
  return place.includes(' ') ? `in the ${place}` : `in the ${place} part`;
}

function colourOf(heat) {
  const place = heat * (RAMP.length - 1);
  const at = Math.min(RAMP.length - 2, Math.floor(place));
  return RAMP[at].map((one, channel) => one + (RAMP[at + 1][channel] - one) * (place - at));
}

const opacityOf = (heat) => 255 * Math.min(1, heat * 1.6);
