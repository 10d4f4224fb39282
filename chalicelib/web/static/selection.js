/** Which images are selected. */

import { listing } from "./listing.js"
import { observable } from "./observable.js"

/** @type {import("./observable.js").Observable<ReadonlySet<string>>} the ids */
export const selected = observable(/** @type {ReadonlySet<string>} */ (new Set()))

let last = ""

/** Select an image, or not any more. @param {string} imageId */
export function toggle(imageId) {
  const changed = new Set(selected.value)
  if (!changed.delete(imageId)) changed.add(imageId)
  last = imageId
  selected.set(changed)
}

/** Select the images from the last one that was selected to this one. @param {string} imageId */
export function extendTo(imageId) {
  const ids = listing.value.images.map((image) => image.image_id)
  const [start, end] = [ids.indexOf(last), ids.indexOf(imageId)].sort((a, b) => a - b)
  if (start < 0) return toggle(imageId)
  last = imageId
  selected.set(new Set([...selected.value, ...ids.slice(start, end + 1)]))
}
