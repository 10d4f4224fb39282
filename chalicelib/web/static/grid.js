/** The pictures in rows, without layout shift: a picture's place has its shape before the picture is there. */

import { address, link, navigate } from "./address.js"
import { nameOf } from "./changes.js"
import { html } from "./htm-preact.js"
import { listing } from "./listing.js"
import { useObservable } from "./observable.js"
import { extendTo, selected, toggle } from "./selection.js"

/** The grid of the list. */
export function Grid() {
  const { images, error } = useObservable(listing)
  const chosen = useObservable(selected)
  const open = (/** @type {MouseEvent} */ event, /** @type {string} */ image) => {
    event.preventDefault()
    navigate({ image })
  }
  return html`${error && html`<p role="alert">${error}</p>`}
    <ul class="grid">
      ${images.map(
        (image) => html`<li key=${image.image_id}>
          <a href=${link({ ...address.value, image: image.image_id })} onClick=${(/** @type {MouseEvent} */ event) => open(event, image.image_id)}>
            ${image.thumbnail ? html`<img src=${image.thumbnail.url} alt=${nameOf(image)} width="160" />` : nameOf(image)}
          </a>
          <input
            type="checkbox" aria-label=${`Select ${nameOf(image)}`} checked=${chosen.has(image.image_id)}
            onClick=${(/** @type {MouseEvent} */ event) => (event.shiftKey ? extendTo : toggle)(image.image_id)}
          />
        </li>`,
      )}
    </ul>`
}
