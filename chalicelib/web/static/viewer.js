/** The picture that is open, over the page: PhotoSwipe with the images of the list, and the details beside it. */

import { address, navigate } from "./address.js"
import { arrival } from "./arrivals.js"
import { read } from "./changes.js"
import { Details, shown } from "./details.js"
import { nameOf, STATE_TEXTS } from "./format.js"
import { html, useEffect, useRef, useState } from "./htm-preact.js"
import { find, listing, more, viewed } from "./listing.js"
import { notify } from "./notices.js"
import { useObservable } from "./observable.js"
import { session } from "./session.js"
import { renderable, renewSource, slide } from "./slides.js"

/** @typedef {import("./listing.js").Image} Image */

const NEAR_THE_END = 5 // pictures
const FOCUS_FRAMES = 10
const DETAILS_ICON = {
  isCustomSVG: true,
  inner: '<path d="M16 6a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm1.5 15h-3v-7h3zm0-8.500h-3v-3h3z" id="pswp__icn-details"/>',
  outlineID: "pswp__icn-details",
}

/** What is on the screen. @type {{pswp: any, ids: string[]} | null} */
let stage = null

/** Shows the image that is open, if there is one. */
export function Viewer() {
  const { image: id } = useObservable(address)
  const { images, loading } = useObservable(listing)
  const caller = useObservable(session)
  const views = useObservable(viewed)
  const withDetails = useObservable(shown)
  const pictures = useRef(/** @type {HTMLElement | null} */ (null))
  const [error, setError] = useState("")

  const image = find(id)
  const needsView = id !== "" && (!image || (!renderable(image) && !views[id]))
  useEffect(() => {
    setError("")
    if (!needsView) return
    const reading = new AbortController()
    read(id, {}, reading.signal).then(
      (view) => viewed.set({ ...viewed.value, [id]: view }),
      (failure) => reading.signal.aborted || setError(failure.message),
    )
    return () => reading.abort()
  }, [id, needsView, caller])

  useEffect(() => {
    if (id && image) show(id, /** @type {HTMLElement} */ (pictures.current))
    else hide()
  }, [id, image, images, views])
  useEffect(() => {
    if (id && image?.state === "processing") arrival(id, image.user_id).catch(() => {})
  }, [id, image?.state])
  useEffect(() => {
    if (id && image) document.title = `${nameOf(image)} · Images`
  }, [id, image])
  useEffect(() => (id ? holdPage() : undefined), [id !== ""])
  useEffect(() => stage?.pswp.updateSize(), [withDetails, id])

  const place = images.findIndex((each) => each.image_id === id)
  return html`<div class=${`viewer${id ? " open" : ""}${id && image && withDetails ? " with-details" : ""}`}>
    <div class="pictures" ref=${pictures} />
    ${id && image && html`<p class="hidden-text" role="status">${nameOf(image)}${place >= 0 && `, ${place + 1} of ${images.length}`}</p>`}
    ${id && image && withDetails && html`<${Details} image=${image} onClose=${closeDetails} onGone=${() => goOn(id)} />`}
    ${id && error && !loading && html`<${Missing} message=${error} />`}
  </div>`
}

/** Says that an image cannot be shown, and why. @param {{message: string}} props */
function Missing({ message }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null))
  useEffect(() => dialog.current?.showModal(), [])
  return html`<dialog ref=${dialog} aria-labelledby="missing-title" onClose=${leave}>
    <h2 id="missing-title">This image cannot be shown</h2>
    <p>${message}</p>
    <p class="quiet">It may have been deleted, or it is private. Only the owner sees a private image, after signing in.</p>
    <form method="dialog"><button class="primary">Back to the images</button></form>
  </dialog>`
}

/** Show an image among those of the list. @param {string} id @param {HTMLElement} element */
async function show(id, element) {
  try {
    await loaded()
  } catch {
    notify({ text: "The viewer cannot be loaded. Try again in a moment.", failed: true })
    return leave()
  }
  if (address.value.image !== id) return
  const listed = listing.value.images.map((image) => image.image_id)
  const wanted = listed.includes(id) ? listed : [id]
  const all = new Set(wanted)
  if (stage?.ids.includes(id) && stage.ids.every((each) => all.has(each)) && (stage.ids.length > 1 || wanted.length === 1)) {
    extend(stage, wanted)
    if (current(stage) !== id) stage.pswp.goTo(stage.ids.indexOf(id))
    update(stage.pswp)
  } else {
    const again = stage !== null
    const focused = !again || element.contains(document.activeElement)
    hide({ animated: false })
    stage = open(id, wanted, element, !again)
    if (focused) stage.pswp.element.focus()
  }
}

/** Close PhotoSwipe. */
function hide({ animated = true } = {}) {
  if (!stage) return
  const { pswp } = stage
  stage = null
  if (!animated) pswp.options.showHideAnimationType = "none"
  // It cannot be closed before it is open.
  if (pswp.opener.isOpen) pswp.close()
  else pswp.on("openingAnimationEnd", () => setTimeout(() => pswp.close()))
  // It ends a moment later. Until then the document would have two viewers.
  if (!animated) pswp.element.remove()
}

/** @type {any} */
let PhotoSwipe

/** Load PhotoSwipe and the style of the viewer. */
async function loaded() {
  if (PhotoSwipe) return
  const [module] = await Promise.all([import("./photoswipe.esm.min.js"), styled("photoswipe.css"), styled("viewer.css")])
  PhotoSwipe = module.default
}

/** Load a style sheet, which may be missing. @param {string} name */
function styled(name) {
  const style = document.createElement("link")
  style.rel = "stylesheet"
  style.href = new URL(name, import.meta.url).href
  const loading = new Promise((resolve) => (style.onload = style.onerror = resolve))
  document.head.append(style)
  return loading
}

/** @param {string} id @param {string[]} ids @param {HTMLElement} element @param {boolean} animated */
function open(id, ids, element, animated) {
  const pswp = new PhotoSwipe({
    dataSource: { length: 0 },
    index: ids.indexOf(id),
    appendToEl: element,
    getViewportSizeFn: () => ({ x: element.clientWidth, y: element.clientHeight }),
    showHideAnimationType: animated ? "zoom" : "none",
    bgOpacity: 1,
    padding: { top: 60, bottom: 16, left: 0, right: 0 }, // below the buttons
    loop: false,
    trapFocus: false, // the page behind is inert
    returnFocus: false,
    clickToCloseNonZoomable: false,
    closeTitle: "Close (Escape)",
    zoomTitle: "Zoom (z)",
    arrowPrevTitle: "Previous picture",
    arrowNextTitle: "Next picture",
    errorMsg: "This picture cannot be shown at the moment.",
  })
  const opened = { pswp, ids: [...ids] }
  pswp.addFilter("numItems", () => opened.ids.length)
  pswp.addFilter("itemData", (/** @type {any} */ _, /** @type {number} */ index) => slide(opened.ids[index]))
  pswp.addFilter("thumbEl", (/** @type {any} */ _, /** @type {any} */ data) => linkTo(data.id)?.querySelector("img"))
  pswp.addFilter("placeholderSrc", (/** @type {any} */ _, /** @type {any} */ content) => content.data.msrc)
  pswp.addFilter("contentErrorElement", (/** @type {HTMLElement} */ element, /** @type {any} */ content) => {
    element.textContent = STATE_TEXTS[content.data.state] ?? element.textContent
    return element
  })
  pswp.on("loadError", (/** @type {any} */ { content }) => renewSource(content.data))
  pswp.on("uiRegister", () => registerDetails(pswp))
  pswp.on("change", () => {
    if (stage !== opened || pswp.isDestroying) return
    const now = current(opened)
    if (now !== address.value.image) navigate({ image: now }, { replace: true })
    if (pswp.currIndex >= opened.ids.length - NEAR_THE_END && listing.value.images.length > 1) more()
  })
  pswp.on("keydown", (/** @type {any} */ event) => onKey(event, opened))
  pswp.on("close", () => stage === opened && leave())
  pswp.init()
  pswp.element.setAttribute("aria-label", "Pictures")
  return opened
}

/** @param {any} pswp */
function registerDetails(pswp) {
  pswp.ui.registerElement({
    name: "details",
    title: "Details (i)",
    order: 9,
    isButton: true,
    html: DETAILS_ICON,
    onInit: (/** @type {HTMLElement} */ button) => {
      const follow = () => button.setAttribute("aria-expanded", String(shown.value))
      follow()
      pswp.on("destroy", shown.subscribe(follow))
    },
    onClick: () => shown.set(!shown.value),
  })
  pswp.ui.registerElement({
    name: "name",
    order: 6,
    onInit: (/** @type {HTMLElement} */ element) => {
      pswp.on("change", () => (element.textContent = pswp.currSlide?.data.alt ?? ""))
    },
  })
}

/** @param {any} event @param {{pswp: any, ids: string[]}} opened */
function onKey(event, { pswp, ids }) {
  const { originalEvent: key } = event
  if (key.ctrlKey || key.metaKey || key.altKey) return
  if (key.key === "i") shown.set(!shown.value)
  else if (key.key === "Home") pswp.goTo(0)
  else if (key.key === "End") pswp.goTo(ids.length - 1)
  else if (key.key !== "PageUp" && key.key !== "PageDown") {
    // PhotoSwipe would move the focus to itself at the first Tab.
    if (key.key === "Tab") event.preventDefault()
    return
  }
  key.preventDefault()
  event.preventDefault()
}

/** Show what is new about the picture that is open: its name, or a better source. @param {any} pswp */
function update(pswp) {
  const { data, content } = pswp.currSlide ?? {}
  if (!data?.id) return
  const newer = slide(data.id)
  if (newer.key !== data.key) return pswp.refreshSlideContent(pswp.currIndex)
  data.alt = newer.alt
  if (content.element) content.element.alt = newer.alt
  pswp.dispatch("change")
}

/** Add what the list has read meanwhile. @param {{pswp: any, ids: string[]}} opened @param {string[]} wanted */
function extend({ pswp, ids }, wanted) {
  const added = wanted.slice(wanted.indexOf(ids[ids.length - 1]) + 1)
  const end = ids.length
  ids.push(...added)
  if (added.length) pswp.refreshSlideContent(end)
}

/** Open the next image, or close the viewer if there is none. @param {string} id */
function goOn(id) {
  const ids = listing.value.images.map((image) => image.image_id)
  const index = ids.indexOf(id)
  const next = ids[index + 1] ?? ids[index - 1]
  if (index >= 0 && next) navigate({ image: next }, { replace: true })
  else leave()
}

/** Close the viewer, as Back does. */
function leave() {
  if (!address.value.image) return
  if (history.state?.follows) history.back()
  else navigate({ image: "" }, { replace: true })
}

function closeDetails() {
  shown.set(false)
  stage?.pswp.element.querySelector(".pswp__button--details")?.focus()
}

/** Keep keyboard and screen reader in the viewer. Returns a function that gives them back to the page. */
function holdPage() {
  const behind = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#app > :not(.viewer, .notices, dialog)")])
  let last = address.value.image
  const end = address.subscribe(({ image }) => (last = image || last))
  for (const element of behind) element.inert = true
  return () => {
    end()
    for (const element of behind) element.inert = false
    focusLink(last, FOCUS_FRAMES)
  }
}

/**
 * Focus the link to an image. The grid may scroll to it and then draw other rows, which can take the focus from it: so
 * look again in the frames that follow.
 * @param {string} id @param {number} frames
 */
function focusLink(id, frames) {
  const focused = document.activeElement
  if (!focused || focused === document.body || focused.closest(".viewer")) linkTo(id)?.focus()
  if (frames && !address.value.image) requestAnimationFrame(() => focusLink(id, frames - 1))
}

/** @param {{pswp: any, ids: string[]}} opened */
function current({ pswp, ids }) {
  return ids[pswp.currIndex]
}

/** Return the link in the grid that opens an image. @param {string} id @returns {HTMLElement | null} */
function linkTo(id) {
  return document.querySelector(`main a[href*="image=${CSS.escape(id)}"]`)
}
