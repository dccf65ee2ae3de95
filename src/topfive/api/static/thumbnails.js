/** Makes small pictures of large ones, one at a time, and only of those that come into sight. */

const SIDE = 320;
const AHEAD = '400px';

const wanted = new Map();
const last = { made: Promise.resolve() };
const watch = new IntersectionObserver(begin, { rootMargin: AHEAD });

/** Put a thumbnail into a box as soon as that is near the window. */
export function showWhenNear(box, file) {
  wanted.set(box, file);
  watch.observe(box);
}

/** Forget all that were asked for. */
export function forgetThumbnails() {
  watch.disconnect();
  wanted.clear();
}

function begin(entries) {
  for (const { target } of entries.filter((one) => one.isIntersecting)) {
    watch.unobserve(target);
    last.made = last.made.then(() => show(target));
  }
}

async function show(box) {
  const file = wanted.get(box);
  wanted.delete(box);
  if (!file) return;
  const image = new Image();
  image.alt = ''; // the tile's words tell more
  try {
    image.src = URL.createObjectURL(await thumbnailOf(file));
    await image.decode();
    box.replaceChildren(image);
  } catch {
    // A format that the browser does not show, such as TIFF: its name stays in the box.
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

/** The middle of a picture as a JPEG. The picture itself would stay in memory, and is large. */
async function thumbnailOf(file) {
  const bitmap = await createImageBitmap(file);
  const side = Math.min(bitmap.width, bitmap.height);
  const canvas = document.createElement('canvas');
  canvas.width = Math.min(SIDE, side);
  canvas.height = canvas.width;
  const context = canvas.getContext('2d', { alpha: false });
  context.fillStyle = '#ffffff'; // see-through parts lie on white, as for the model
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = 'high';
  const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
  context.drawImage(bitmap, left, top, side, side, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => { blob ? resolve(blob) : reject(new Error('no blob')); }, 'image/jpeg', 0.85);
  });
}
