/** The gallery: puts its parts together. */

import { Grid } from "./grid.js"
import { html, render } from "./htm-preact.js"
import { follow } from "./listing.js"
import { Notices } from "./notices.js"
import { Uploads } from "./uploads-panel.js"

function Gallery() {
  return html`<header class="top"><h1>Images</h1><${Uploads} /></header>
    <main><${Grid} /></main>
    <${Notices} />`
}

follow()
render(html`<${Gallery} />`, /** @type {HTMLElement} */ (document.getElementById("app")))
