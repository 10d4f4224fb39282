/** The gallery: puts its parts together. */

import { address } from "./address.js"
import { Filters, Search, titleOf } from "./filters.js"
import { Grid } from "./grid.js"
import { html, render, useEffect, useRef } from "./htm-preact.js"
import { later } from "./later.js"
import { follow } from "./listing.js"
import { Notices, notify } from "./notices.js"
import { useObservable } from "./observable.js"
import { SelectionBar } from "./selection.js"
import { Account, SignIn } from "./sign-in.js"
import { Uploads } from "./uploads-panel.js"

const Viewer = later(() => import("./viewer.js").then((module) => module.Viewer))

function Gallery() {
  const shown = useObservable(address)
  const viewed = useRef(false)
  if (shown.image) viewed.current = true
  useEffect(() => {
    if (!shown.image) document.title = titleOf(shown)
  }, [shown])
  return html`<header class="top">
      <h1><a href="?">Images</a></h1>
      <${Search} />
      <${Uploads} />
      <${Account} />
      <a href="docs">API</a>
    </header>
    <main>
      <${Filters} />
      <${Grid} />
    </main>
    <${SignIn} />
    <${SelectionBar} />
    ${viewed.current && html`<${Viewer} />`}
    <${Notices} />`
}

async function open() {
  const parameters = new URLSearchParams(location.search)
  if (parameters.has("state") && (parameters.has("code") || parameters.has("error"))) {
    await import("./oidc.js")
      .then(({ finish }) => finish())
      .catch((error) => notify({ text: `You are not signed in: ${error.message}`, failed: true }))
  }
  follow()
  render(html`<${Gallery} />`, /** @type {HTMLElement} */ (document.getElementById("app")))
}

open()
