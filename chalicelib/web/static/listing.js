/** The list of images that the address asks for, read page by page. Other modules change it when images change. */

import { address } from "./address.js"
import { ApiError, request } from "./api.js"
import { config } from "./config.js"
import { sortTime } from "./format.js"
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
 * @property {boolean} stale whether the images are those of other filters, until the first page is there
 * @property {string} error a sentence; empty: none
 */

const FIRST_PAGE = 60
const NEXT_PAGE = 100
export const INCLUDE = "thumbnail,analysis"

/** @type {Listing} */
const EMPTY = { images: [], loading: false, complete: false, stale: false, error: "" }

/** @type {import("./observable.js").Observable<Listing>} */
export const listing = observable(EMPTY)

/** Images that were viewed alone, with what a view adds, by their ids. */
export const viewed = observable(/** @type {Readonly<Record<string, any>>} */ ({}))

let cursor = ""
let reading = new AbortController()
/** Which page an image was on: the cursor that reads it. @type {Map<string, string>} */
const pageOf = new Map()
/** The pages that are being read again, by their cursors. @type {Set<string>} */
const rereading = new Set()
/** URLs that could not be loaded. @type {Set<string>} */
const broken = new Set()

/** The images that were taken out of the list. They are in no page that is read later. @type {Set<string>} */
const taken = new Set()

/** Read the first page of the list that the address asks for. Until it is there, the old images stay. */
export async function start() {
  reading.abort()
  reading = new AbortController()
  cursor = ""
  listing.set({ ...EMPTY, images: listing.value.images, stale: true })
  await more()
}

/** Read the next page, unless one is being read or there is none. */
export async function more() {
  if (listing.value.loading || listing.value.complete) return
  const { signal } = reading
  change({ loading: true, error: "" })
  try {
    const body = await page(cursor, signal)
    if (signal.aborted) return
    const before = listing.value.stale ? [] : listing.value.images
    if (listing.value.stale) pageOf.clear()
    const known = new Set([...taken, ...before.map((image) => image.image_id)])
    const added = body.images.filter((/** @type {Image} */ image) => !known.has(image.image_id))
    for (const image of body.images) pageOf.set(image.image_id, cursor)
    cursor = body.last_evaluated_key ?? ""
    change({ images: [...before, ...added], loading: false, stale: false, complete: !body.has_more })
  } catch (error) {
    if (signal.aborted) return
    // The service does not know the position any more: begin again, without the images that are there already.
    if (error instanceof ApiError && error.status === 400) cursor = ""
    change({ images: listing.value.stale ? [] : listing.value.images, loading: false, error: /** @type {Error} */ (error).message })
  }
}

/**
 * Read the page with an image again, because the URL of its thumbnail cannot be loaded any more. It is read once for a URL.
 * @param {string} imageId @param {string} url
 */
export function renewThumbnails(imageId, url) {
  const start = pageOf.get(imageId) ?? ""
  if (broken.has(url) || rereading.has(start)) return
  broken.add(url)
  rereading.add(start)
  reread(start).finally(() => rereading.delete(start))
}

/** @param {string} start */
async function reread(start) {
  const { signal } = reading
  const body = await page(start, signal).catch(() => ({ images: [] }))
  const known = new Set(listing.value.images.map((image) => image.image_id))
  if (!signal.aborted) put(body.images.filter((/** @type {Image} */ image) => known.has(image.image_id)))
}

/** @param {string} start @param {AbortSignal} signal */
async function page(start, signal) {
  const limit = Math.min(start ? NEXT_PAGE : FIRST_PAGE, config.max_page_size)
  return (await request("GET", "images", { query: { ...filters(), limit, last_evaluated_key: start }, signal })).body
}

/** Return the parameters of a list of the API for the present address. @returns {Record<string, string | string[] | undefined>} */
export function filters() {
  const { q, user_id, tag, visibility, content_type, from, to, sort, order } = address.value
  /** @type {Record<string, string>} */
  const period = sort === "taken_at" ? { takenFrom: from, takenTo: to } : { dateFrom: midnight(from), dateTo: midnight(to, { end: true }) }
  return { q, user_id, tag, visibility, content_type, ...period, sort, order, include: INCLUDE }
}

/** Return when a day begins where the user is, or its last millisecond. @param {string} day */
function midnight(day, { end = false } = {}) {
  const time = new Date(`${day}T00:00`)
  if (Number.isNaN(time.getTime())) return day
  if (end) time.setHours(23, 59, 59, 999)
  return time.toISOString()
}

/**
 * Show images that are new, or new versions of images in the list, in the order of the list. An image behind the last
 * page is left out: a later page has it. `known`: these images have been in the list, and no later page has them.
 * @param {readonly Image[]} images @param {{known?: boolean}} [options]
 */
export function put(images, { known = false } = {}) {
  const { sort, order } = address.value
  const newer = new Map(images.filter((image) => !taken.has(image.image_id)).map((image) => [image.image_id, image]))
  const kept = listing.value.images.map((image) => {
    const other = newer.get(image.image_id)
    // An answer may be older than a change that was stored meanwhile.
    return other && other.version >= image.version ? { ...image, ...other } : image
  })
  for (const image of kept) newer.delete(image.image_id)
  const direction = order === "asc" ? 1 : -1
  const times = new Map([...newer.values(), ...kept].map((image) => [image, direction * sortTime(image, sort)]))
  const sorted = [...times.keys()].sort(
    (one, other) => (times.get(one) ?? 0) - (times.get(other) ?? 0) || (one.image_id < other.image_id ? -direction : direction),
  )
  const last = known || listing.value.complete ? sorted.length : sorted.findLastIndex((image) => !newer.has(image.image_id)) + 1
  change({ images: sorted.slice(0, last || sorted.length) })
}

/** Show the new version of an image where it is shown. @param {Image} image */
export function renew(image) {
  const { image_id: id } = image
  if (listing.value.images.some((each) => each.image_id === id)) put([image])
  if (viewed.value[id]) viewed.set({ ...viewed.value, [id]: { ...viewed.value[id], ...image } })
}

/** Return an image of the list, or one that was viewed. @param {string} imageId @returns {Image | undefined} */
export function find(imageId) {
  return listing.value.images.find((image) => image.image_id === imageId) ?? viewed.value[imageId]
}

/** Take images out of the list. Returns a function that puts them, or some of them, back. @param {readonly Image[]} images */
export function take(images) {
  const list = reading
  for (const image of images) taken.add(image.image_id)
  const out = listing.value.images.filter((image) => taken.has(image.image_id))
  change({ images: listing.value.images.filter((image) => !taken.has(image.image_id)) })
  return (back = images) => {
    for (const image of back) taken.delete(image.image_id)
    if (list === reading)
      put(
        out.filter((image) => !taken.has(image.image_id)),
        { known: true },
      )
    else start()
  }
}

/** Whether an image was taken out of the list. @param {string} imageId */
export function isTaken(imageId) {
  return taken.has(imageId)
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
  session.subscribe(() => {
    listing.set(EMPTY)
    viewed.set({})
    start()
  })
  start()
}
