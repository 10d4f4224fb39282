/**
 * The interface of uploads: a button opens a panel, and the whole page takes a drop or a paste. The panel and the queue
 * are loaded when they are used first.
 */

import { address, navigate } from "./address.js"
import { transferred } from "./files.js"
import { html, useEffect, useRef, useState } from "./htm-preact.js"
import { notify } from "./notices.js"
import { observable, useObservable } from "./observable.js"
import { session } from "./session.js"
import { interrupted, inWork, unfinished } from "./unfinished.js"

const open = observable(false)

/** The module of the panel, once it is loaded. */
const panel = observable(/** @type {typeof import("./uploads-list.js") | null} */ (null))

/** The button that opens the panel, the panel, and what a drag over the page shows. */
export function Uploads() {
  const isOpen = useObservable(open)
  const loaded = useObservable(panel)
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null))
  const dragging = useDrop()
  useEffect(() => void mention(), [])
  const close = () => {
    open.set(false)
    button.current?.focus()
  }
  /** @param {KeyboardEvent} event */
  function press(event) {
    if (event.key !== "Escape") return
    event.preventDefault()
    close()
  }
  return html`<button class="primary" ref=${button} aria-expanded=${isOpen} aria-controls="uploads" onClick=${() => (isOpen ? open.set(false) : show())}>
      Upload${loaded && html`<${loaded.ToGo} />`}
    </button>
    <section id="uploads" class="uploads" aria-label="Uploads" hidden=${!isOpen} onKeyDown=${press}>
      ${isOpen && loaded && html`<${loaded.Panel} close=${close} />`}
    </section>
    ${loaded && html`<${loaded.Spoken} />`} ${dragging && html`<div class="upload-drop"><p>Drop images or folders to upload them</p></div>`}`
}

/** Open the panel. */
async function show() {
  open.set(true)
  try {
    if (!panel.value) panel.set(await import("./uploads-list.js"))
  } catch {
    open.set(false)
    notify({ text: "The uploads cannot be loaded. Try again in a moment.", failed: true })
  }
}

/** @param {import("./files.js").Given[]} given */
async function receive(given) {
  if (address.value.image) navigate({ image: "" }) // the panel is behind the viewer
  await show()
  if (panel.value) (await import("./uploads.js")).add(given)
}

/** Tell of uploads that were interrupted. */
async function mention() {
  const busy = await inWork()
  const count = interrupted(session.value.user, unfinished.value).filter(({ imageId }) => !busy.has(imageId)).length
  if (count) notify({ text: count === 1 ? "An upload was interrupted." : `${count} uploads were interrupted.`, action: "Show", act: show })
}

/** Take files that are dropped or pasted anywhere. Returns whether files are being dragged over the page. */
function useDrop() {
  const [dragging, setDragging] = useState(false)
  useEffect(() => {
    const ending = new AbortController()
    const on = (/** @type {string} */ name, /** @type {(event: any) => void} */ handler) =>
      addEventListener(name, handler, { signal: ending.signal })
    let own = false // a picture of this page is dragged
    const takes = (/** @type {Event} */ event, /** @type {DataTransfer | null} */ transfer) => {
      if (own || !transfer?.types.includes("Files")) return false
      event.preventDefault()
      return true
    }
    on("dragstart", () => (own = true))
    on("dragend", () => (own = false))
    on("dragover", (event) => setDragging(takes(event, event.dataTransfer)))
    on("dragleave", (event) => event.relatedTarget === null && setDragging(false))
    on("drop", (event) => {
      setDragging(false)
      if (takes(event, event.dataTransfer)) transferred(event.dataTransfer).then(receive)
    })
    on("paste", (event) => takes(event, event.clipboardData) && transferred(event.clipboardData).then(receive))
    return () => ending.abort()
  }, [])
  return dragging
}
