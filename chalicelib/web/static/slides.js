/** What PhotoSwipe shows of an image: the picture that /render makes, in several widths, or a presigned URL. */

import { url } from "./api.js"
import { read } from "./changes.js"
import { config } from "./config.js"
import { nameOf } from "./format.js"
import { find, viewed } from "./listing.js"
import { session } from "./session.js"

/** @typedef {import("./listing.js").Image} Image */

const WIDTHS_PX = [320, 640, 1280, 1920, 2560, 3840]
const MAX_RENDER_PX = 10_000

/**
 * Return what PhotoSwipe needs to show an image. `key` says whether its source is still the best.
 * @param {string} id @returns {{id: string, key?: string, alt?: string} & Record<string, unknown>}
 */
export function slide(id) {
  const image = find(id)
  if (!image) return { id }
  const { width, height, state, thumbnail } = image
  const shared = { id, width, height, msrc: thumbnail?.url, alt: nameOf(image), state }
  const view = viewed.value[id]
  const signed = view?.render?.includes("signature=")
  if (!renderable(image) && !signed) {
    const src = view?.presigned_url ?? thumbnail?.url
    return { ...shared, key: src, src }
  }
  const widths = [...WIDTHS_PX.filter((px) => px < width), Math.min(width, MAX_RENDER_PX)]
  const srcset = widths.map((px) => `${renderUrl(image, px)} ${px}w`).join(", ")
  const src = renderUrl(image, widths[widths.length - 1])
  return { ...shared, key: `${state} ${src}`, src, srcset }
}

/** Whether an <img> can show an image by /render alone: it sends no token. @param {Image} image */
export function renderable(image) {
  return image.visibility === "public" || config.auth === "open"
}

/** @param {Image} image @param {number} px */
function renderUrl(image, px) {
  if (image.visibility === "public") return url(`images/${image.image_id}/render`, { w: px })
  if (config.auth === "open") return url(`images/${image.image_id}/render`, { w: px, user_id: session.value.user })
  return `${viewed.value[image.image_id].render}&w=${px}`
}

/** The sources that could not be loaded. Each is renewed once. @type {Set<string>} */
const broken = new Set()

/** Read an image again whose signed URL may have expired. @param {{id: string, src: string}} slide */
export function renewSource({ id, src }) {
  const image = find(id)
  if (!image || renderable(image) || broken.has(src)) return
  broken.add(src)
  read(id).then(
    (view) => viewed.set({ ...viewed.value, [id]: view }),
    () => {},
  )
}
