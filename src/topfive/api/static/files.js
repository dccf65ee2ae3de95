/** Finds the pictures in what was chosen, dropped or pasted; folders are looked into. */

const PICTURE = /\.(jpe?g|jfif|png|webp|gif|bmp|tiff?|avif|heic|heif)$/i;
const byName = new Intl.Collator('en', { numeric: true });

/** What was chosen: `{ files, leftOut }`, each file as `{ file, name }`; the name has its folders. */
export function chosen(files) {
  const isFolder = [...files].some((one) => one.webkitRelativePath);
  const named = [...files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
  return isFolder ? picturesAmong(named) : { files: named, leftOut: 0 };
}

/** Give `take` what is dropped anywhere on the page, as `chosen` tells it; `zone` shows that it may be. */
export function takeDropped(zone, take, onUnreadable) {
  const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
  const highlight = (isOver) => zone.classList.toggle('over', isOver);
  document.addEventListener('dragover', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    highlight(true);
  });
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) highlight(false); // it has left the window
  });
  document.addEventListener('drop', (event) => {
    highlight(false);
    if (!carriesFiles(event)) return;
    event.preventDefault();
    dropped(event.dataTransfer).then(take, onUnreadable);
  });
}

/** What was dropped. Call it within the event: afterwards the list is empty. */
async function dropped({ items, files }) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = chosen(files);
  if (!entries.some((one) => one.isDirectory)) return plain;
  const found = await Promise.all(entries.map(filesBelow));
  return picturesAmong(found.flat());
}

/** Tell whether a file is there and can be read. */
export async function canBeRead(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** Of a folder only pictures are taken: it may have anything else, and files that nobody sees. */
function picturesAmong(named) {
  const files = named.filter(isPicture).sort((one, other) => byName.compare(one.name, other.name));
  return { files, leftOut: named.length - files.length };
}

function isPicture({ file, name }) {
  if (file.name.startsWith('.')) return false;
  return file.type.startsWith('image/') ? !file.type.includes('svg') : PICTURE.test(name);
}

async function filesBelow(entry) {
  const name = entry.fullPath.replace(/^\//, '');
  if (!entry.isDirectory) return [{ file: await asked((...told) => entry.file(...told)), name }];
  const reader = entry.createReader();
  const below = [];
  for (;;) { // a reader gives some at once, and none at the end
    const some = await asked((...told) => reader.readEntries(...told));
    if (some.length === 0) return below;
    for (const one of some) below.push(...await filesBelow(one));
  }
}

const asked = (ask) => new Promise((resolve, reject) => { ask(resolve, reject); });
