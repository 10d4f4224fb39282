/** What is known of the image that is open, and what can be done with it. */

import { address, link, navigate, UNFILTERED } from "./address.js"
import { request } from "./api.js"
import { mayChange, read } from "./changes.js"
import { remove } from "./deletion.js"
import { drafts, EditForm, edit } from "./edit.js"
import { nameOf, numberText, sizeText, timeText } from "./format.js"
import { html, useEffect, useState } from "./htm-preact.js"
import { notify } from "./notices.js"
import { observable, useObservable } from "./observable.js"
import { session } from "./session.js"

/** @typedef {import("./listing.js").Image} Image */

const SIMILAR = 12

const decimal = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 })

/** Whether the details are shown beside the picture. */
export const shown = observable(false)

/**
 * The details of an image.
 * @param {{image: Image, onClose: () => void, onGone: () => void}} props `onGone`: the image is about to leave the list
 */
export function Details({ image, onClose, onGone }) {
  const id = image.image_id
  const editing = id in useObservable(drafts)
  const viewed = useView(image)
  const all = { ...viewed, ...image }
  return html`<aside
    class="details" aria-label="Details"
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape") onClose()
      event.stopPropagation()
    }}
  >
    <header><h2>${nameOf(image)}</h2><button class="icon" aria-label="Close the details" onClick=${onClose}>×</button></header>
    ${
      editing
        ? html`<${EditForm} key=${id} id=${id} />`
        : html`<${Actions} image=${image} onGone=${onGone} />
          <${Facts} image=${all} />
          <${Camera} exif=${viewed.exif} />
          <${Place} key=${id} image=${image} />
          <${Similar} key=${id} id=${id} />`
    }
  </aside>`
}

/** @param {{image: Image, onGone: () => void}} props */
function Actions({ image, onGone }) {
  const own = mayChange(image)
  const gone = () => {
    onGone()
    remove([image])
  }
  return html`<div class="actions">
    ${own && html`<button onClick=${() => edit(image)}>Edit</button>`}
    <button onClick=${() => download(image)}>Download</button>
    <button onClick=${() => copyLink(image)}>Copy link</button>
    ${own && html`<button class="danger" onClick=${gone}>Delete</button>`}
  </div>`
}

/** @param {{image: Image & Record<string, any>}} props */
function Facts({ image }) {
  const { analysis, state } = image
  /** @type {[string, any][]} */
  const facts = [
    ["Taken", analysis?.taken_at && moment(analysis.taken_at)],
    ["Uploaded", moment(image.created_at)],
    ["Changed", image.updated_at !== image.created_at && moment(image.updated_at)],
    ["Owner", html`<${Filter} to=${{ user_id: image.user_id }}>${image.user_id}<//>`],
    ["Size", `${numberText(image.width)} × ${numberText(image.height)} pixels, ${sizeText(image.size)}`],
    ["Type", image.content_type],
    ["File", image.filename],
    ["Visibility", image.visibility === "private" ? "Private: only the owner sees it" : "Public"],
    ["State", state && state !== "ready" && (image.reason ? `${state}: ${image.reason}` : state)],
  ]
  return html`${image.description && html`<p class="description">${image.description}</p>`}
    ${
      image.tags.length > 0 &&
      html`<ul class="tags" aria-label="Tags">
      ${image.tags.map((tag) => html`<li key=${tag}><${Filter} to=${{ tag: [tag] }}>${tag}<//></li>`)}
    </ul>`
    }
    <${FactList} facts=${facts} />`
}

/** @param {{facts: [string, any][]}} props */
function FactList({ facts }) {
  return html`<dl>${facts.filter(([, value]) => value).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`
}

/** What the camera wrote into the file. @param {{exif?: Record<string, any> | null}} props */
function Camera({ exif }) {
  if (!exif) return null
  /** @type {[string, any][]} */
  const facts = [
    ["Camera", camera(exif)],
    ["Lens", exif.lens_model],
    ["Exposure", exif.exposure_seconds && exposure(exif.exposure_seconds)],
    ["Aperture", exif.f_number && `f/${decimal.format(exif.f_number)}`],
    ["ISO", exif.iso && String(exif.iso)],
    ["Focal length", exif.focal_length_mm && `${decimal.format(exif.focal_length_mm)} mm`],
    ["Flash", exif.flash && "Fired"],
  ]
  if (!facts.some(([, value]) => value)) return null
  return html`<section><h3>Camera</h3><${FactList} facts=${facts} /></section>`
}

/** Where a picture was taken: for its owner, who has to ask. @param {{image: Image}} props */
function Place({ image }) {
  const { user } = useObservable(session)
  const [place, setPlace] = useState(/** @type {{latitude: number, longitude: number} | null | undefined} */ (undefined))
  const [error, setError] = useState("")
  if (user !== image.user_id) return null
  const show = () =>
    read(image.image_id, { include: "location" }).then(
      (viewed) => setPlace(viewed.location ?? null),
      (failure) => setError(failure.message),
    )
  const text = place && `${place.latitude.toFixed(5)}, ${place.longitude.toFixed(5)}`
  return html`<div class="place" aria-live="polite">
    ${place === undefined && html`<button onClick=${show}>Show where it was taken</button>`}
    ${place === null && html`<p class="quiet">The file does not say where it was taken.</p>`}
    ${place && html`<p>Taken at <a href=${`geo:${place.latitude},${place.longitude}`}>${text}</a></p>`}
    ${error && html`<p class="error">${error}</p>`}
  </div>`
}

/** @param {{id: string}} props */
function Similar({ id }) {
  const [images, setImages] = useState(/** @type {Image[]} */ ([]))
  useEffect(() => {
    const reading = new AbortController()
    request("GET", `images/${id}/similar`, { query: { include: "thumbnail", limit: SIMILAR }, signal: reading.signal }).then(
      ({ body }) => setImages(body.images),
      () => {}, // The rest of the details does not depend on it.
    )
    return () => reading.abort()
  }, [id])
  if (!images.length) return null
  return html`<section><h3>Similar images</h3>
    <ul class="similar">
      ${images.map(
        (image) => html`<li key=${image.image_id}>
        <a
          href=${link({ ...address.value, image: image.image_id })} title=${nameOf(image)}
          onClick=${(/** @type {MouseEvent} */ event) => follow(event, { image: image.image_id }, true)}
        >${image.thumbnail ? html`<img src=${image.thumbnail.url} alt=${nameOf(image)} loading="lazy" />` : nameOf(image)}</a>
      </li>`,
      )}
    </ul>
  </section>`
}

/** A link to the images with a filter, and no other. @param {{to: Partial<import("./address.js").Address>, children?: any}} props */
function Filter({ to, children }) {
  return html`<a href=${link(to)} onClick=${(/** @type {MouseEvent} */ event) => follow(event, { ...UNFILTERED, image: "", ...to })}>${children}</a>`
}

/** @param {MouseEvent} event @param {Partial<import("./address.js").Address>} changes @param {boolean} [replace] */
function follow(event, changes, replace = false) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return // the browser opens a tab or a window
  event.preventDefault()
  navigate(changes, { replace })
}

/** Return what a view has that a list has not. @param {Image} image @returns {Record<string, any>} */
function useView({ image_id: id, version, state }) {
  const [view, setView] = useState(/** @type {Record<string, any>} */ ({}))
  const { user } = useObservable(session)
  useEffect(() => {
    const reading = new AbortController()
    read(id, { include: "exif" }, reading.signal).then(setView, () => {})
    return () => reading.abort()
  }, [id, version, state, user])
  return view.image_id === id ? view : {}
}

/** @param {Image} image */
async function download(image) {
  try {
    const { body, status } = await request("GET", `images/${image.image_id}/download`)
    const address = body.download_url ?? body.url
    if (status === 202 || !address) return notify({ text: "The picture is still being prepared. Try again in a moment." })
    location.assign(address) // an attachment: the page stays
  } catch (error) {
    notify({ text: /** @type {Error} */ (error).message, failed: true })
  }
}

/** @param {Image} image */
async function copyLink(image) {
  const address = new URL(link({ image: image.image_id }), location.href).href
  try {
    await navigator.clipboard.writeText(address)
    notify({ text: image.visibility === "private" ? "Link copied. The image is private: only its owner can open it." : "Link copied." })
  } catch {
    notify({ text: `The browser does not allow copying. The link is ${address}`, failed: true })
  }
}

/** @param {string} time */
function moment(time) {
  return html`<time datetime=${time}>${timeText(time)}</time>`
}

/** Makers often repeat their name in that of the model. @param {Record<string, any>} exif */
function camera({ make, model }) {
  return make && !model?.toLowerCase().startsWith(make.toLowerCase().split(" ")[0]) ? [make, model].filter(Boolean).join(" ") : model
}

/** @param {number} seconds */
function exposure(seconds) {
  return seconds < 0.4 ? `1/${Math.round(1 / seconds)} s` : `${decimal.format(seconds)} s`
}
