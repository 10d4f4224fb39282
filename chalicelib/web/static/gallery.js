/** The gallery: puts its parts together. */

import { Grid } from "./grid.js"
import { html, render } from "./htm-preact.js"
import { follow } from "./listing.js"
import { Notices } from "./notices.js"
import { SelectionBar } from "./selection.js"
import { Viewer } from "./viewer.js"

function Gallery() {
  return html`<header class="top"><h1>Images</h1></header>
    <main><${Grid} /></main>
    <${SelectionBar} />
    <${Viewer} />
    <${Notices} />`
}

follow()
render(html`<${Gallery} />`, /** @type {HTMLElement} */ (document.getElementById("app")))
