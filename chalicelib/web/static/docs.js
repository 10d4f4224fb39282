/** The API reference: Swagger UI, which shows openapi.json and sends requests to this service. */

import { config } from "./config.js"
import { session } from "./session.js"

const SCHEME = config.auth === "jwt" ? "bearer" : "user"
const USER = {
  type: "apiKey",
  in: "header",
  name: "X-User-Id",
  description: "The caller. This service does not require tokens (`AUTH=open`).",
}

/**
 * Return the document for Swagger UI: a reader names the caller once, under Authorize, and not in each request.
 * @param {any} document
 */
function withCaller(document) {
  const { parameters, ...components } = document.components
  const { XUserId, CallerId, ...others } = parameters
  const refersToCaller = (/** @type {any} */ { $ref = "" }) => /\/(XUserId|CallerId)$/.test($ref)
  for (const path of Object.values(document.paths)) {
    for (const part of [path, ...Object.values(path)]) {
      if (part.parameters) part.parameters = part.parameters.filter((/** @type {any} */ each) => !refersToCaller(each))
    }
  }
  const changed = { ...document, components: { ...components, parameters: others } }
  if (SCHEME === "user") {
    changed.security = [{}, { user: [] }]
    changed.components.securitySchemes = { user: USER }
  }
  return changed
}

/** A plugin of Swagger UI that changes the document when it has been read. */
const caller = () => ({
  statePlugins: {
    spec: {
      wrapActions: {
        updateJsonSpec: (/** @type {(document: any) => any} */ update) => (/** @type {any} */ read) =>
          update(read.paths ? withCaller(read) : read),
      },
    },
  },
})

const dark = matchMedia("(prefers-color-scheme: dark)")
const followColors = () => document.documentElement.classList.toggle("dark-mode", dark.matches)
dark.addEventListener("change", followColors)
followColors()

const ui = /** @type {any} */ (window).SwaggerUIBundle({
  dom_id: "#reference",
  url: new URL("openapi.json", location.href).href, // absolute, because `servers` is relative to it
  plugins: [caller],
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: "none", // the default validates on another host
  onComplete() {
    const { user, token } = session.value
    const value = SCHEME === "bearer" ? token : user
    if (value) ui.preauthorizeApiKey(SCHEME, value)
  },
})
