'use strict';

(() => {
  const root = document.getElementById('redoc');
  const image = HTMLImageElement.prototype;
  const { setAttribute } = image;
  const { get, set } = Object.getOwnPropertyDescriptor(image, 'src');

  // Redoc asks another server for a logo. Tell it that the logo failed, without asking.
  function refuse(element, source) {
    const { protocol, origin } = new URL(source, document.baseURI);
    if (protocol === 'data:' || origin === location.origin) return false;
    setTimeout(() => element.dispatchEvent(new Event('error')));
    return true;
  }

  image.setAttribute = function setOwnAttribute(name, value) {
    if (name !== 'src' || !refuse(this, value)) setAttribute.call(this, name, value);
  };
  Object.defineProperty(image, 'src', {
    configurable: true,
    enumerable: true,
    get,
    set(value) {
      if (!refuse(this, value)) set.call(this, value);
    },
  });

  Redoc.init(
    root.dataset.specUrl,
    {
      nativeScrollbars: true,
      theme: {
        typography: {
          fontFamily: 'system-ui, sans-serif',
          headings: { fontFamily: 'system-ui, sans-serif' },
          code: { fontFamily: 'ui-monospace, monospace' },
        },
      },
    },
    root,
  );
})();
