/** The images that the user has chosen, by mouse, keyboard or touch. */

import { html, useEffect } from "./htm-preact.js"
import { later } from "./later.js"
import { listing } from "./listing.js"
import { observable, useObservable } from "./observable.js"

const LONG_PRESS_MS = 500
const STILL_PX = 10 // a finger that moves more scrolls

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
export function selectAll() {
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
  useEffect(followInput, [])
  return ids.size > 0 && html`<${Bar} />`
}

/**
 * Choose images by Ctrl- or Cmd-click, Shift-click, a long press, x, Ctrl+A and Escape. Once one is chosen, a click
 * on a picture chooses it, too. Returns a function that ends this.
 */
function followInput() {
  const controller = new AbortController()
  const options = { capture: true, signal: controller.signal }
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let press
  let pressed = { x: 0, y: 0 }
  let held = false

  document.addEventListener(
    "click",
    (event) => {
      const id = imageAt(event.target)
      if (!id) return
      const choosing = event.ctrlKey || event.metaKey || event.shiftKey || selected.value.size > 0
      if (choosing || held) stop(event)
      if (choosing && !held) event.shiftKey ? extendTo(id) : toggle(id)
      held = false
    },
    options,
  )

  document.addEventListener(
    "pointerdown",
    (event) => {
      const id = imageAt(event.target)
      held = false
      if (event.pointerType !== "touch" || !id) return
      pressed = { x: event.clientX, y: event.clientY }
      press = setTimeout(() => {
        held = true
        toggle(id)
      }, LONG_PRESS_MS)
    },
    options,
  )
  const release = () => clearTimeout(press)
  for (const type of ["pointerup", "pointercancel", "scroll"]) document.addEventListener(type, release, options)
  document.addEventListener(
    "pointermove",
    (event) => {
      if (Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > STILL_PX) release()
    },
    options,
  )
  document.addEventListener("contextmenu", (event) => held && stop(event), options)

  document.addEventListener(
    "keydown",
    (event) => {
      const target = event.target instanceof Element ? event.target : document.body
      // The viewer and dialogs make the page behind inert, and have keys of their own.
      if (document.querySelector("main")?.inert || document.querySelector("dialog:modal")) return
      if (target.closest("input:not([type=checkbox]), textarea, select")) return
      const id = imageAt(target)
      if ((event.ctrlKey || event.metaKey) && event.key === "a" && listing.value.images.length) {
        stop(event)
        selectAll()
      } else if (event.key === "Escape" && selected.value.size) {
        clear()
      } else if (id && (event.key === "x" || event.key === " ")) {
        stop(event)
        event.shiftKey ? extendTo(id) : toggle(id)
      }
    },
    options,
  )
  return () => controller.abort()
}

/** Return the id of the image whose link in the list an event is for. @param {EventTarget | null} target */
function imageAt(target) {
  const found = target instanceof Element && /** @type {HTMLAnchorElement | null} */ (target.closest('main a[href*="image="]'))
  return found ? new URLSearchParams(found.search).get("image") : null
}

/** @param {Event} event */
function stop(event) {
  event.preventDefault()
  event.stopPropagation()
}
