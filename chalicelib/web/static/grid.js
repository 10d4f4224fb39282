/**
 * The pictures in rows, without layout shift: a picture's place has its shape before the picture is there. Only what is
 * in sight, or nearly, is in the document.
 */

import { address, isFiltered, link, navigate } from "./address.js"
import { ClearFilters } from "./filters.js"
import { daysText, nameOf, numberText, STATE_TEXTS } from "./format.js"
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./htm-preact.js"
import { HEADING_PX, layOut, neighbour } from "./layout.js"
import { listing, more, renewThumbnails } from "./listing.js"
import { onLongPress } from "./long-press.js"
import { useObservable } from "./observable.js"
import { extendTo, selected, toggle } from "./selection.js"
import { thumbHashToDataURL } from "./thumbhash.js"

/** @typedef {import("./layout.js").Box} Box */
/** @typedef {import("./listing.js").Image} Image */

const STEP_PX = 200 // of scrolling, after which other pictures are drawn
const MAX_PLACEHOLDERS = 500

/** On a touch screen, a long press chooses the first picture. */
const pressing = onLongPress((target) => {
  const id = idAt(target)
  if (id) toggle(id)
  return Boolean(id)
})

/** The grid of the list. */
export function Grid() {
  const { images, loading, stale } = useObservable(listing)
  const { sort, image: open } = useObservable(address)
  const chosen = useObservable(selected)
  const [current, setCurrent] = useState("")
  const grid = useRef(/** @type {HTMLElement | null} */ (null))
  const width = useWidth(grid)
  const layout = useMemo(() => layOut(width ? images : [], width, sort), [images, width, sort])
  const span = useSpan(grid, layout)
  const focusOn = useRef("")
  // The picture that was open is drawn, so that it can get the focus when the viewer closes.
  useEffect(() => void (open && setCurrent(open)), [open])

  const visible = layout.boxes.filter((box) => box.y < span.bottom && box.y + box.height > span.top)
  const entry = layout.boxes.find((box) => box.image.image_id === current) ?? visible[0]
  const drawn = new Set(entry ? [...visible, entry] : visible)
  const processing = visible.map((box) => box.image).filter((image) => image.state === "processing")
  useEffect(() => void (processing.length && awaitArrivals(processing)), [processing.map((image) => image.image_id).join()])

  useLayoutEffect(() => {
    if (!focusOn.current) return
    /** @type {HTMLElement | null | undefined} */
    const wanted = grid.current?.querySelector(`a[data-id="${focusOn.current}"]`)
    wanted?.focus({ preventScroll: true })
    if (wanted) focusOn.current = ""
  })

  /** @param {KeyboardEvent} event */
  function press(event) {
    const id = idAt(/** @type {Element} */ (event.target))
    const from = layout.boxes.findIndex((box) => box.image.image_id === id)
    if (!id || from < 0 || event.ctrlKey || event.metaKey || event.altKey) return
    const to = neighbour(layout.boxes, from, event.key)
    if (event.key === "x" || event.key === " ") event.shiftKey ? extendTo(id) : toggle(id)
    else if (to === undefined) return
    else {
      focusOn.current = layout.boxes[to].image.image_id
      setCurrent(focusOn.current)
      reveal(layout.boxes[to])
    }
    event.preventDefault()
  }

  /** Scroll as little as needed to show a picture below the headings. @param {Box} box */
  function reveal(box) {
    const top = /** @type {HTMLElement} */ (grid.current).getBoundingClientRect().top + box.y
    const covered = barHeight() + HEADING_PX
    if (top < covered) scrollBy(0, top - covered)
    else if (top + box.height > innerHeight) scrollBy(0, top + box.height - innerHeight + 8)
  }

  return html`<div class=${stale ? "grid stale" : "grid"} ref=${grid} style=${{ height: images.length ? layout.height : loading ? "100vh" : 0 }}
      aria-busy=${loading} onKeyDown=${press} ...${pressing}
      onfocusin=${(/** @type {FocusEvent} */ event) => setCurrent(idAt(/** @type {Element} */ (event.target)) ?? current)}>
      ${layout.sections
        .filter((section) => (section.top < span.bottom && section.top + section.height > span.top) || section.boxes.includes(entry))
        .map(
          (section) => html`<section key=${section.first} style=${{ top: section.top, height: section.height }}>
            <h2>${daysText(section.first, section.last)}</h2>
            <ul>
              ${section.boxes
                .filter((box) => drawn.has(box))
                .map(
                  (box) =>
                    html`<${Picture} key=${box.image.image_id} box=${box} top=${box.y - section.top} reachable=${box === entry} isChosen=${chosen.has(box.image.image_id)} choosing=${chosen.size > 0} />`,
                )}
            </ul>
          </section>`,
        )}
    </div>
    <${End} />`
}

/** @param {{box: Box, top: number, reachable: boolean, isChosen: boolean, choosing: boolean}} props `choosing`: a click chooses */
function Picture({ box, top, reachable, isChosen, choosing }) {
  const { image, x, width, height } = box
  const { image_id, thumbnail, analysis, state } = image
  const [arrived, setArrived] = useState("")
  const name = nameOf(image)
  const background = usePlaceholder(arrived ? "" : (analysis?.placeholder ?? ""))

  /** @param {MouseEvent} event */
  function open(event) {
    if (event.altKey || event.button) return
    event.preventDefault()
    if (event.shiftKey) extendTo(image_id)
    else if (event.ctrlKey || event.metaKey || choosing) toggle(image_id)
    else navigate({ image: image_id })
  }

  return html`<li style=${{ left: x, top, width, height, backgroundColor: arrived ? "" : (analysis?.color ?? ""), backgroundImage: background }} class=${isChosen ? "chosen" : ""}>
    <a href=${link({ ...address.value, image: image_id })} data-id=${image_id} tabindex=${reachable ? 0 : -1} onClick=${open}>
      ${
        thumbnail
          ? html`<img src=${thumbnail.url} alt=${name} draggable=${false} decoding="async" onLoad=${() => setArrived(thumbnail.url)} onError=${() => renewThumbnails(image_id, thumbnail.url)} />`
          : html`<span class="no-picture"><strong>${name}</strong> ${STATE_TEXTS[state ?? ""] ?? "No preview"}</span>`
      }
      <span class="marks">
        ${image.visibility === "private" && html`<span>Private</span>`} ${analysis?.animated && html`<span>Animated</span>`}
      </span>
    </a>
    <label class="pick">
      <input type="checkbox" tabindex="-1" checked=${isChosen} aria-label=${`Select ${name}`}
        onClick=${(/** @type {MouseEvent} */ event) => (event.shiftKey ? extendTo(image_id) : toggle(image_id))} />
    </label>
  </li>`
}

/** What is below the pictures. It reads the next page when it comes near. */
function End() {
  const { images, loading, complete, error } = useObservable(listing)
  const mark = useRef(/** @type {HTMLElement | null} */ (null))
  useEffect(() => {
    if (loading || complete || error || !mark.current) return
    const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && more(), {
      rootMargin: "1500px 0px",
    })
    observer.observe(mark.current)
    return () => observer.disconnect()
  }, [images, loading, complete, error])
  return html`<div class="end" ref=${mark} key=${`${images.length} ${loading}`}>
    ${
      error
        ? html`<p role="alert">${error}</p><p><button onClick=${more}>Retry</button></p>`
        : loading
          ? html`<p class="quiet">Loading…</p>`
          : complete &&
            (images.length
              ? html`<p class="quiet">${images.length === 1 ? "1 image" : `All ${numberText(images.length)} images`}</p>`
              : html`<${Nothing} />`)
    }
  </div>`
}

function Nothing() {
  if (!isFiltered(address.value)) return html`<h2>No images yet</h2><p>Drop pictures on this page, or choose Upload.</p>`
  return html`<h2>Nothing matches</h2><p>No image matches all filters. ${address.value.q && "A search finds whole words only."} <${ClearFilters} /></p>`
}

/** Return the width of an element, also after it changed. @param {{current: HTMLElement | null}} followed */
function useWidth(followed) {
  const [width, setWidth] = useState(0)
  useLayoutEffect(() => {
    const element = /** @type {HTMLElement} */ (followed.current)
    const observer = new ResizeObserver(() => setWidth(element.clientWidth))
    observer.observe(element)
    setWidth(element.clientWidth)
    return () => observer.disconnect()
  }, [])
  return width
}

/**
 * Return the part of the grid that is drawn: what is in sight and one screen more on both sides. When the layout
 * changes, the picture at the top of the screen stays where it is.
 * @param {{current: HTMLElement | null}} grid @param {import("./layout.js").Layout} layout
 */
function useSpan(grid, layout) {
  const [span, setSpan] = useState({ top: 0, bottom: 2 * innerHeight })
  const top = useRef({ id: "", offset: 0 })

  function follow() {
    const above = -(/** @type {HTMLElement} */ (grid.current).getBoundingClientRect().top)
    const first = above > 0 ? layout.boxes.find((box) => box.y + box.height > above) : undefined
    top.current = { id: first?.image.image_id ?? "", offset: (first?.y ?? 0) - above }
    const start = Math.floor(above / STEP_PX) * STEP_PX
    setSpan((before) => {
      const after = { top: start - innerHeight, bottom: start + 2 * innerHeight + STEP_PX }
      return before.top === after.top && before.bottom === after.bottom ? before : after
    })
  }

  useLayoutEffect(() => {
    const kept = layout.boxes.find((box) => box.image.image_id === top.current.id)
    if (kept) {
      const moved = kept.y + /** @type {HTMLElement} */ (grid.current).getBoundingClientRect().top - top.current.offset
      if (Math.abs(moved) > 1) scrollBy({ top: moved, behavior: "instant" })
    }
    follow()
    addEventListener("scroll", follow, { passive: true })
    addEventListener("resize", follow)
    return () => {
      removeEventListener("scroll", follow)
      removeEventListener("resize", follow)
    }
  }, [layout])
  return span
}

/** @type {Map<string, string>} */
const placeholders = new Map()

/** Return a ThumbHash as a CSS background, decoded after the first drawing. @param {string} hash base64 */
function usePlaceholder(hash) {
  const [decoded, setDecoded] = useState(placeholders.get(hash) ?? "")
  useEffect(() => {
    if (!hash) return
    if (!placeholders.has(hash)) {
      if (placeholders.size >= MAX_PLACEHOLDERS) placeholders.delete(/** @type {string} */ (placeholders.keys().next().value))
      placeholders.set(hash, `url(${thumbHashToDataURL(Uint8Array.from(atob(hash), (each) => each.charCodeAt(0)))})`)
    }
    setDecoded(placeholders.get(hash) ?? "")
  }, [hash])
  return hash && decoded
}

/** Wait for images that are being processed. @param {Image[]} images */
async function awaitArrivals(images) {
  try {
    const { arrival } = await import("./arrivals.js")
    await Promise.all(images.map((image) => arrival(image.image_id, image.user_id)))
  } catch {
    // The list shows what has arrived. The rest appears when the page is loaded again.
  }
}

/** Return the id of the image whose link has an element. @param {Element} element */
function idAt(element) {
  return /** @type {HTMLElement | null} */ (element.closest("[data-id]"))?.dataset.id
}

/** Return the height of what stays at the top of the window. */
function barHeight() {
  const bar = document.querySelector("header.top")
  return bar && getComputedStyle(bar).position === "sticky" ? bar.clientHeight : 0
}
