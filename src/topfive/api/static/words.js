/** How figures and failures are said. Nothing here touches the page. */

const MEGABYTE = 1024 * 1024;

/** Say a number with at most `digits` digits after the point. */
export function number(value, digits = 1) {
  return value.toLocaleString('en', { maximumFractionDigits: digits });
}

/** Say a time in milliseconds; short ones keep two digits after the point. */
export const milliseconds = (value) => `${number(value, value < 1 ? 2 : 1)} ms`;

/** Say a share of 1 in percent; never 0% for something, nor 100% for less than all. */
export function percent(share) {
  if (share < 0.0005) return '<0.1%';
  if (share >= 0.9995) return '>99.9%';
  return `${(share * 100).toFixed(1)}%`;
}

/** Say the size of a file or blob. */
export function sizeOf(file) {
  if (file.size < 1024) return `${file.size} bytes`;
  return file.size < MEGABYTE
    ? `${number(file.size / 1024)} KB`
    : `${number(file.size / MEGABYTE)} MB`;
}

export const isTooLarge = (file, mostMb) => mostMb > 0 && file.size > mostMb * MEGABYTE;

/** Say how large a file is and, where it is too large, what is accepted. */
export function sizeAndLimit(file, mostMb) {
  const size = `This file has ${sizeOf(file)}`;
  return isTooLarge(file, mostMb) ? `${size}; at most ${mostMb} MB are accepted.` : `${size}.`;
}

/** Say a whole number of seconds, in minutes from two on. */
export function seconds(count) {
  if (count < 120) return `${count} s`;
  return `${Math.ceil(count / 60)} min`;
}

/** Read Retry-After, which is a number of seconds or a date; 0 where it says nothing. */
export function retryAfterS(header) {
  if (!header) return 0;
  const wait = /^\d+$/.test(header)
    ? Number(header)
    : Math.ceil((Date.parse(header) - Date.now()) / 1000);
  return wait > 0 ? wait : 0;
}

/** What a problem says beyond its title, which its detail may begin with. */
export function beyondTitle({ title, detail = '' }) {
  return detail.startsWith(title) ? detail.slice(title.length).trim() : detail.trim();
}

/** What to say when the answer is no problem+json: some proxy in between wrote it. */
export function problemOfStatus(status) {
  if (status === 413) return { title: 'The picture is too large.', detail: '' };
  if (status === 429) {
    return { title: 'Too many requests.', detail: 'Wait a little, then try again.' };
  }
  if (status === 502 || status === 503 || status === 504) {
    return { title: 'The service does not answer at the moment.', detail: 'Try again soon.' };
  }
  return {
    title: 'The answer cannot be read.',
    detail: `Something between this page and the service answered with status ${status}.`,
  };
}
