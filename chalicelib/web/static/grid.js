/** The pictures in rows, without layout shift: a picture's place has its shape before the picture is there. */

import { html } from "./htm-preact.js"
import { listing } from "./listing.js"
import { useObservable } from "./observable.js"

/** The grid of the list. */
export function Grid() {
  const { images, error } = useObservable(listing)
  return html`${error && html`<p role="alert">${error}</p>`}
    <ul class="grid">
      ${images.map((image) => html`<li key=${image.image_id}>${image.thumbnail && html`<img src=${image.thumbnail.url} alt=${image.title} width="160" />`}</li>`)}
    </ul>`
}
