// The API reference: Swagger UI, from our own files, on our own document. A key that is typed in stays in this page.
SwaggerUIBundle({
  domNode: document.getElementById("reference"),
  url: document.getElementById("reference").dataset.openapi,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
  syntaxHighlight: { activated: false }, // its colours are too pale to read
  validatorUrl: null,
});

// Swagger UI knows the dark by a class of the page.
const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = document.documentElement.dataset.theme;
const shade = () => document.documentElement.classList.toggle("dark-mode", theme ? theme === "dark" : dark.matches);
dark.addEventListener("change", shade); shade();
