/**
 * Uploads in parts that were interrupted, for example by a reload. The browser remembers which they were, not their
 * files: a user who chooses the same file again continues the upload.
 */

import { request } from "./api.js"
import { observable } from "./observable.js"
import { storage } from "./storage.js"

/**
 * @typedef {object} Unfinished
 * @property {string} imageId
 * @property {string} fingerprint
 * @property {string} name
 * @property {string} user
 * @property {number} begun milliseconds since 1970
 */

const KEPT_MS = 86_400_000 // afterwards, the service deletes what was sent
const LOCKS = "images-api.upload/"

const kept = storage("localStorage", "unfinished")

/** @type {import("./observable.js").Observable<readonly Unfinished[]>} */
export const unfinished = observable(/** @type {readonly Unfinished[]} */ (stored()))

kept.follow(() => unfinished.set(stored()))

/** Return what tells a file from others, also after a reload. @param {File} file @param {string} checksum */
export function fingerprint(file, checksum) {
  return checksum || `${file.name}/${file.size}/${file.lastModified}`
}

/** Return the uploads of a user that can be continued. @param {string} user @param {readonly Unfinished[]} known */
export function interrupted(user, known) {
  return known.filter((upload) => upload.user === user)
}

/**
 * Do the work of an upload. Meanwhile, no tab offers to continue it.
 * @template T
 * @param {string} imageId @param {() => Promise<T>} work @returns {Promise<T>}
 */
export async function working(imageId, work) {
  return navigator.locks ? navigator.locks.request(LOCKS + imageId, work) : work()
}

/** Return the ids of the uploads that any tab works on. Outside of a secure context, a browser does not tell. */
export async function inWork() {
  const { held = [] } = (await navigator.locks?.query()) ?? {}
  return new Set(held.map(({ name }) => name?.replace(LOCKS, "") ?? ""))
}

/** Remember an upload. @param {Unfinished} upload */
export function remember(upload) {
  keep([...stored().filter((each) => each.imageId !== upload.imageId), upload])
}

/** Forget an upload: it is finished or gone. @param {string} imageId */
export function forget(imageId) {
  keep(stored().filter((each) => each.imageId !== imageId))
}

/** Delete what was sent of an upload. It may be gone already. @param {string} imageId */
export function abandon(imageId) {
  forget(imageId)
  return request("POST", `images/${imageId}/abort`, { keepalive: true }).catch(() => {})
}

/** @param {readonly Unfinished[]} uploads */
function keep(uploads) {
  kept.write(uploads)
  unfinished.set(uploads)
}

/** @returns {Unfinished[]} */
function stored() {
  return (kept.read() ?? []).filter((/** @type {Unfinished} */ each) => Date.now() - each.begun < KEPT_MS)
}
