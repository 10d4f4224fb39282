/** The list of images that the address asks for, read page by page. Other modules change it when images change. */

import { address } from "./address.js"
import { request } from "./api.js"
import { observable } from "./observable.js"
import { session } from "./session.js"

/**
 * An entry of a list of the API.
 * @typedef {object} Image
 * @property {string} image_id
 * @property {string} user_id
 * @property {string} title
 * @property {string} description
 * @property {string[]} tags
 * @property {string} filename
 * @property {string} content_type
 * @property {number} size bytes
 * @property {number} width pixels
 * @property {number} height pixels
 * @property {"public" | "private"} visibility
 * @property {string} created_at
 * @property {string} updated_at
 * @property {number} version
 * @property {string} [state] ready, processing or failed
 * @property {{url: string, width: number, height: number} | null} [thumbnail]
 * @property {{placeholder: string, color: string, taken_at: string | null, animated: boolean} | null} [analysis]
 */

/**
 * @typedef {object} Listing
 * @property {readonly Image[]} images
 * @property {boolean} loading
 * @property {boolean} complete whether there are no more images
 * @property {string} error a sentence; empty: none
 */

const PAGE_SIZE = 60
const INCLUDE = "thumbnail,analysis"

/** @type {Listing} */
const EMPTY = { images: [], loading: false, complete: false, error: "" }

/** @type {import("./observable.js").Observable<Listing>} */
export const listing = observable(EMPTY)

let cursor = ""
let reading = new AbortController()

/** Read the first page of the list that the address asks for. */
export async function start() {
  reading.abort()
  reading = new AbortController()
  cursor = ""
  listing.set(EMPTY)
  await more()
}

/** Read the next page, unless one is being read or there is none. */
export async function more() {
  if (listing.value.loading || listing.value.complete) return
  const { signal } = reading
  change({ loading: true, error: "" })
  try {
    const { body } = await request("GET", "images", { query: { ...filters(), limit: PAGE_SIZE, last_evaluated_key: cursor }, signal })
    const known = new Set(listing.value.images.map((image) => image.image_id))
    const added = body.images.filter((/** @type {Image} */ image) => !known.has(image.image_id))
    cursor = body.last_evaluated_key ?? ""
    change({ images: [...listing.value.images, ...added], loading: false, complete: !body.has_more })
  } catch (error) {
    if (!signal.aborted) change({ loading: false, error: /** @type {Error} */ (error).message })
  }
}

/** Return the parameters of a list of the API for the present address. @returns {Record<string, string | string[] | undefined>} */
export function filters() {
  const { q, user_id, tag, visibility, content_type, from, to, sort, order } = address.value
  const period = sort === "taken_at" ? { takenFrom: from, takenTo: to } : { dateFrom: from, dateTo: to }
  return { q, user_id, tag, visibility, content_type, ...period, sort, order, include: INCLUDE }
}

/** Show images that are new, or new versions of images in the list. The new ones go to the front. @param {Image[]} images */
export function put(images) {
  const byId = new Map(images.map((image) => [image.image_id, image]))
  const kept = listing.value.images.map((image) => {
    const newer = byId.get(image.image_id)
    byId.delete(image.image_id)
    return newer ? { ...image, ...newer } : image
  })
  change({ images: [...byId.values(), ...kept] })
}

/** Take images out of the list. Returns a function that puts them back. @param {Iterable<string>} imageIds */
export function take(imageIds) {
  const before = listing.value.images
  const gone = new Set(imageIds)
  change({ images: before.filter((image) => !gone.has(image.image_id)) })
  return () => {
    const now = new Map(listing.value.images.map((image) => [image.image_id, image]))
    const beforeIds = new Set(before.map((image) => image.image_id))
    const added = listing.value.images.filter((image) => !beforeIds.has(image.image_id))
    change({ images: [...added, ...before.flatMap((image) => now.get(image.image_id) ?? (gone.has(image.image_id) ? image : []))] })
  }
}

/** @param {Partial<Listing>} changes */
function change(changes) {
  listing.set({ ...listing.value, ...changes })
}

/** Read the list again whenever the filters or the caller change. */
export function follow() {
  let shown = JSON.stringify(filters())
  address.subscribe(() => {
    const wanted = JSON.stringify(filters())
    if (wanted !== shown) {
      shown = wanted
      start()
    }
  })
  session.subscribe(() => start())
  start()
}
