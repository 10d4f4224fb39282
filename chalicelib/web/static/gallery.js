/** The gallery: puts its parts together. */

import { Grid } from "./grid.js"
import { html, render } from "./htm-preact.js"
import { follow } from "./listing.js"
import { Notices } from "./notices.js"

function Gallery() {
  return html`<header class="top"><h1>Images</h1><a href="docs">API</a></header>
    <main><${Grid} /></main>
    <${Notices} />`
}

follow()
render(html`<${Gallery} />`, /** @type {HTMLElement} */ (document.getElementById("app")))
