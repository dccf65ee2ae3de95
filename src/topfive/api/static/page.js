'use strict';

(() => {
  const HEALTH_EVERY_MS = 10000;
  const HEALTH_TIMEOUT_MS = 8000;
  const MEGABYTE = 1024 * 1024;

  const $ = (id) => document.getElementById(id);
  const maxUploadMb = Number(document.querySelector('main').dataset.maxUploadMb);

  let picture = null; // the picture shown
  let pictureUrl = null; // its preview's blob: URL
  let running = null; // the AbortController of the request in flight
  let apiKey = ''; // never stored
  let healthTimer = 0;

  // Words

  const number = (value) => value.toLocaleString('en', { maximumFractionDigits: 1 });

  function percent(share) {
    if (share < 0.0005) return '<0.1%';
    if (share >= 0.9995) return '>99.9%';
    return `${(share * 100).toFixed(1)}%`;
  }

  function sizeOf(file) {
    if (file.size < 1024) return `${file.size} bytes`;
    return file.size < MEGABYTE
      ? `${number(file.size / 1024)} KB`
      : `${number(file.size / MEGABYTE)} MB`;
  }

  const tooLarge = (file) => maxUploadMb > 0 && file.size > maxUploadMb * MEGABYTE;
  const sizeAndLimit = (file) =>
    tooLarge(file)
      ? `This file has ${sizeOf(file)}; at most ${maxUploadMb} MB are accepted.`
      : `This file has ${sizeOf(file)}.`;

  /** What to say when the answer is no problem+json: some proxy in between wrote it. */
  function wordsForStatus(status, file) {
    if (status === 413) return `The picture is too large. ${sizeAndLimit(file)}`;
    if (status === 429) return 'Too many requests. Wait a little, then try again.';
    if (status === 502 || status === 503 || status === 504) {
      return 'The service does not answer at the moment. Try again soon.';
    }
    return `The server gave an answer that this page cannot read (status ${status}).`;
  }

  function waitWords(header) {
    if (!header) return '';
    const seconds = /^\d+$/.test(header)
      ? Number(header)
      : Math.ceil((Date.parse(header) - Date.now()) / 1000);
    if (!(seconds > 0)) return '';
    return `Try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`;
  }

  // Small helpers for the page

  function say(element, text) {
    if (element.textContent !== text) element.textContent = text;
    element.hidden = text === '';
  }

  function make(tag, className, text) {
    const element = document.createElement(tag);
    element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  async function jsonOf(response) {
    try {
      const body = await response.json();
      return body !== null && typeof body === 'object' ? body : null;
    } catch (error) {
      if (error instanceof SyntaxError) return null;
      throw error; // the connection closed halfway, or the request was aborted
    }
  }

  // Health

  function showBanner(text, down) {
    $('banner').classList.toggle('down', down);
    say($('banner'), text);
  }

  function showHealth(body, status) {
    const reason = body && (body.reason || body.detail);
    if (body && body.model) {
      const version = body.model_version ? `, version ${body.model_version}` : '';
      say($('model'), `Model: ${body.model}${version}`);
    }
    if (body && body.status === 'healthy') {
      showBanner('', false);
      return true;
    }
    if (body && body.status === 'degraded') {
      showBanner(`Degraded: ${reason || 'results may not be what you expect.'}`, false);
    } else if (body && body.status === 'unavailable') {
      showBanner(`Unavailable: ${reason || 'no picture can be classified now.'}`, true);
    } else {
      showBanner(`The service's health is not known. ${reason || `It answered ${status}.`}`, true);
    }
    return false;
  }

  async function checkHealth() {
    clearTimeout(healthTimer);
    healthTimer = -1;
    const controller = new AbortController();
    const timeout = setTimeout(() => controller.abort(), HEALTH_TIMEOUT_MS);
    let healthy = false;
    try {
      const response = await fetch('health', {
        cache: 'no-store',
        headers: { Accept: 'application/json' },
        signal: controller.signal,
      });
      healthy = showHealth(await jsonOf(response), response.status);
    } catch {
      showBanner('The service does not answer. This page keeps asking.', true);
    } finally {
      clearTimeout(timeout);
      healthTimer = healthy ? 0 : setTimeout(checkHealth, HEALTH_EVERY_MS);
    }
  }

  /** Ask for the health now, unless that question is already under way. */
  function checkHealthSoon() {
    if (healthTimer !== -1) checkHealth();
  }

  // The outcome of one picture

  function clearOutcome() {
    say($('progress'), '');
    $('failure').hidden = true;
    $('again-line').hidden = true;
    $('result').hidden = true;
  }

  function showFailure(text, more, retry) {
    clearOutcome();
    $('failure-text').textContent = text;
    say($('failure-more'), more);
    $('failure').hidden = false;
    $('again-line').hidden = !retry;
  }

  function showProblem(response, body, file) {
    const known = body !== null && (typeof body.detail === 'string' || typeof body.title === 'string');
    const words = [known ? body.detail || body.title : wordsForStatus(response.status, file)];
    if (known && body.code === 'file_too_large') words.push(sizeAndLimit(file));
    words.push(waitWords(response.headers.get('Retry-After')));
    const more = known && body.code ? [`Code: ${body.code}`] : [];
    if (known && body.request_id) more.push(`request ${body.request_id}`);
    if (response.status === 401) askForKey();
    const retry = [408, 429].includes(response.status) || response.status >= 500;
    showFailure(words.filter(Boolean).join(' '), more.join(', '), retry);
    if (response.status >= 500) checkHealthSoon();
  }

  function showNoAnswer(file) {
    const words = tooLarge(file)
      ? `The connection closed before an answer came, most likely because the picture is too large. ${sizeAndLimit(file)}`
      : 'No answer came: the service cannot be reached, or it closed the connection. Try again.';
    showFailure(words, '', !tooLarge(file));
    checkHealthSoon();
  }

  function classRow({ class_name: label, confidence }) {
    const row = make('li', '');
    const bar = make('div', 'bar');
    const fill = make('div', 'fill');
    fill.style.width = `${Math.min(1, Math.max(0, confidence)) * 100}%`;
    bar.setAttribute('aria-hidden', 'true');
    bar.append(fill);
    row.append(make('span', 'label', label), make('span', 'percent', percent(confidence)), bar);
    return row;
  }

  function showResult(body, elapsedMs) {
    clearOutcome();
    const [best] = body.predictions;
    $('progress').classList.add('unseen'); // heard, and seen below
    say($('progress'), best ? `Most likely: ${best.class_name}, ${percent(best.confidence)}.` : 'No class.');
    $('classes').replaceChildren(...body.predictions.map(classRow));
    const times = [];
    const timing = body.timing_ms;
    if (timing) times.push(`${number(timing.total)} ms on the server (model: ${number(timing.inference)} ms)`);
    times.push(`${number(Math.round(elapsedMs))} ms in all`);
    $('timing').textContent = `Time taken: ${times.join(', ')}.`;
    $('raw').textContent = JSON.stringify(body, null, 2);
    $('result').hidden = false;
    if (body.image) {
      const { format, width, height } = body.image;
      $('preview-caption').textContent =
        `${format}, ${width} × ${height} pixels, ${sizeOf(picture)}`;
    }
  }

  async function send(file, note = '') {
    running?.abort();
    const controller = new AbortController();
    running = controller;
    clearOutcome();
    $('progress').classList.remove('unseen');
    say($('progress'), `${note}Looking at the picture …`);
    const form = new FormData();
    form.append('file', file, file.name || 'picture');
    const headers = { Accept: 'application/json' };
    if (apiKey) headers.Authorization = `Bearer ${apiKey}`;
    const started = performance.now();
    try {
      const response = await fetch('predict', {
        method: 'POST',
        body: form,
        headers,
        signal: controller.signal,
      });
      const body = await jsonOf(response);
      if (controller.signal.aborted) return;
      if (response.ok && body !== null && Array.isArray(body.predictions)) {
        if (apiKey) $('key-form').hidden = true;
        showResult(body, performance.now() - started);
      } else {
        showProblem(response, body, file);
      }
    } catch {
      if (!controller.signal.aborted) showNoAnswer(file);
    } finally {
      if (running === controller) running = null;
    }
  }

  // Taking a picture

  function showPreview(file) {
    if (pictureUrl) URL.revokeObjectURL(pictureUrl);
    pictureUrl = URL.createObjectURL(file);
    $('preview-image').hidden = false;
    $('preview-image').src = pictureUrl;
    $('preview-caption').textContent = `${file.name || 'Pasted picture'}, ${sizeOf(file)}`;
    $('preview').hidden = false;
    $('outcome').classList.add('split');
  }

  async function canBeRead(file) {
    try {
      await file.slice(0, 1).arrayBuffer();
      return true;
    } catch {
      return false; // a folder, or a file that is gone
    }
  }

  async function take(files) {
    const [file] = files;
    if (!file) return;
    picture = file;
    showPreview(file);
    if (!(await canBeRead(file))) {
      if (picture !== file) return;
      running?.abort();
      showFailure('This cannot be read: it is a folder, or the file is gone. Choose a picture file.', '', false);
      return;
    }
    if (picture !== file) return;
    await send(file, files.length > 1 ? `Only the first of ${files.length} files is used. ` : '');
  }

  $('preview-image').addEventListener('error', () => {
    $('preview-image').hidden = true; // a format the browser does not show, such as TIFF
    $('outcome').classList.remove('split');
  });

  $('file').addEventListener('change', () => {
    const files = [...$('file').files];
    $('file').value = ''; // so that the same file can be chosen again
    take(files);
  });

  $('again').addEventListener('click', () => picture && take([picture]));

  document.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    take(files);
  });

  // A picture may be dropped anywhere on the page.
  let inside = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
  const highlight = () => $('drop').classList.toggle('over', inside > 0);

  document.addEventListener('dragenter', (event) => {
    if (!carriesFiles(event)) return;
    inside += 1;
    highlight();
  });
  document.addEventListener('dragleave', (event) => {
    if (!carriesFiles(event)) return;
    inside = Math.max(0, inside - 1);
    highlight();
  });
  document.addEventListener('dragover', (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  document.addEventListener('drop', (event) => {
    inside = 0;
    highlight();
    if (!carriesFiles(event)) return;
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });

  // The API key

  function askForKey() {
    $('key-form').hidden = false;
    $('key').focus();
    showCurl(true);
  }

  $('key-form').addEventListener('submit', (event) => {
    event.preventDefault();
    apiKey = $('key').value.trim();
    if (apiKey && picture) send(picture);
  });

  // The curl line

  function showCurl(withKey) {
    const key = withKey ? '-H "Authorization: Bearer KEY" ' : '';
    $('curl').textContent = `curl ${key}-F file=@photo.jpg ${new URL('predict', document.baseURI)}`;
  }

  async function copyCurl() {
    try {
      await navigator.clipboard.writeText($('curl').textContent);
      return 'Copied.';
    } catch {
      // Only pages over HTTPS or on localhost may write to the clipboard.
      getSelection().selectAllChildren($('curl'));
      return 'Selected. Copy it with your keyboard.';
    }
  }

  $('copy').addEventListener('click', async () => {
    say($('copied'), '');
    say($('copied'), await copyCurl());
  });

  showCurl(false);
  $('shell').hidden = false;
  checkHealth();
})();
