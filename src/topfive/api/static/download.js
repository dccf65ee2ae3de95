/** Hands a text over as a file. */

const READ_WITHIN_MS = 60000;

/** Have the browser save a text of a media type under a name. */
export function download(text, type, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), READ_WITHIN_MS);
}
