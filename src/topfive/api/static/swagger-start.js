'use strict';

(() => {
  const root = document.getElementById('swagger-ui');

  const dark = matchMedia('(prefers-color-scheme: dark)');
  const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
  dark.addEventListener('change', follow);
  follow();

  SwaggerUIBundle({
    domNode: root,
    url: root.dataset.specUrl,
    validatorUrl: null, // no badge from an outside validator
    deepLinking: true,
    persistAuthorization: false,
    displayRequestDuration: true,
  });
})();
