'use strict';

(() => {
  const root = document.getElementById('swagger-ui');

  const dark = matchMedia('(prefers-color-scheme: dark)');
  const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
  dark.addEventListener('change', follow);
  follow();

  // Swagger UI sends every part that it shows, an empty `image` and a model called "string" too.
  // It is shown the file alone; the other fields are tried in the query.
  function keepFile(document) {
    for (const path of Object.values(document.paths)) {
      const form = path.post?.requestBody?.content['multipart/form-data']?.schema;
      if (form) form.properties = { file: form.properties.file };
    }
    return document;
  }
  const showFileAlone = () => ({
    statePlugins: {
      spec: { wrapActions: { updateJsonSpec: (set) => (document) => set(keepFile(document)) } },
    },
  });

  SwaggerUIBundle({
    plugins: [showFileAlone],
    domNode: root,
    url: root.dataset.specUrl,
    validatorUrl: null, // no badge from an outside validator
    deepLinking: true,
    persistAuthorization: false,
    displayRequestDuration: true,
  });
})();
