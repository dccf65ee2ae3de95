/** Shows the picture itself, as the browser reads it. */

import { sizeOf } from './words.js';

const $ = (id) => document.getElementById(id);
const shown = { url: '' };

/** Show a picture that was chosen, before anything is known of it but its size. */
export function showPreview(file) {
  if (shown.url) URL.revokeObjectURL(shown.url);
  shown.url = URL.createObjectURL(file);
  showImage(true);
  $('preview-image').src = shown.url;
  $('preview-caption').textContent = `${file.name || 'Pasted picture'}, ${sizeOf(file)}`;
  $('preview').hidden = false;
}

/** Show none. */
export function hidePreview() {
  $('preview').hidden = true;
}

/** Say what the service found the picture to be. */
export function describePreview({ format, width, height }, file) {
  $('preview-caption').textContent = `${format}, ${width} × ${height} pixels, ${sizeOf(file)}`;
}

// An error is a format that the browser does not show, such as TIFF.
$('preview-image').addEventListener('error', () => showImage(false));

function showImage(isShown) {
  $('preview-image').hidden = !isShown;
  $('outcome').classList.toggle('hidden-picture', !isShown);
}

$('preview-image').addEventListener('load', ({ target }) => {
  // Small pictures, such as a digit, fill the width; large ones never grow over their own size.
  $('preview').classList.toggle('small', target.naturalWidth < 480);
});
