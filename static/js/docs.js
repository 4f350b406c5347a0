// The interactive page of the HTTP API: Swagger UI on this hub's own document.

window.ui = window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  displayOperationId: true,
  // Open, its lists end after a handful as soon as there are more than 128 operations.
  docExpansion: "none",
  filter: true,
  persistAuthorization: false,
  syntaxHighlight: { activated: false },
  tryItOutEnabled: true,
  // Would send the document to somebody else's server.
  validatorUrl: null,
});
