/** The images that the user has chosen, by mouse, keyboard or touch. */

import { html, useEffect } from "./htm-preact.js"
import { isTyping } from "./keyboard.js"
import { later } from "./later.js"
import { listing } from "./listing.js"
import { observable, useObservable } from "./observable.js"

/** @type {import("./observable.js").Observable<ReadonlySet<string>>} */
export const selected = observable(/** @type {ReadonlySet<string>} */ (new Set()))

/** The image that was chosen last: where a range begins. */
let anchor = ""

// What is no longer in the list is no longer chosen.
listing.subscribe(({ images }) => {
  if (!selected.value.size) return
  const listed = new Set(images.map((image) => image.image_id))
  const kept = [...selected.value].filter((id) => listed.has(id))
  if (kept.length < selected.value.size) selected.set(new Set(kept))
})

/** Choose an image, or no longer. @param {string} id */
export function toggle(id) {
  const changed = new Set(selected.value)
  if (!changed.delete(id)) changed.add(id)
  anchor = id
  selected.set(changed)
}

/** Choose the images from the one that was chosen last to this one. @param {string} id */
export function extendTo(id) {
  const ids = listing.value.images.map((image) => image.image_id)
  const [from, to] = [ids.indexOf(anchor), ids.indexOf(id)]
  if (from < 0 || to < 0) return toggle(id)
  selected.set(new Set([...selected.value, ...ids.slice(Math.min(from, to), Math.max(from, to) + 1)]))
}

/** Choose all images that the list has read. */
function selectAll() {
  selected.set(new Set(listing.value.images.map((image) => image.image_id)))
}

/** Choose no image. */
export function clear() {
  selected.set(new Set())
}

const Bar = later(() => import("./selection-bar.js").then((module) => module.Bar))

/** What can be done with the images that are chosen. */
export function SelectionBar() {
  const ids = useObservable(selected)
  useEffect(followKeys, [])
  return ids.size > 0 && html`<${Bar} />`
}

/** Choose all images by Ctrl+A, and none by Escape. Returns a function that ends this. */
function followKeys() {
  const ending = new AbortController()
  /** @param {KeyboardEvent} event */
  function follow(event) {
    // The viewer and dialogs make the page behind inert, and have keys of their own.
    if (event.defaultPrevented || isTyping(event) || document.querySelector("main[inert], dialog:modal")) return
    if ((event.ctrlKey || event.metaKey) && event.key === "a" && listing.value.images.length) selectAll()
    else if (event.key === "Escape" && selected.value.size) clear()
    else return
    event.preventDefault()
  }
  addEventListener("keydown", follow, { signal: ending.signal })
  return () => ending.abort()
}
