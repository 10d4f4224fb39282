/**
 * The queue of uploads. Three files are on their way at the same time. A file that the service has already is not sent
 * again. Modules of the interface draw `uploads` and call the functions here.
 */

import { address, isFiltered } from "./address.js"
import { ApiError, request } from "./api.js"
import { arrival } from "./arrivals.js"
import { checksum } from "./checksum.js"
import { config } from "./config.js"
import { ACCEPTED_NAMES, imageType } from "./files.js"
import { sizeText } from "./format.js"
import { listing, put } from "./listing.js"
import { observable } from "./observable.js"
import { persistently } from "./retries.js"
import { sendImage } from "./sending.js"
import { identify, session } from "./session.js"
import { tagsIn } from "./tags.js"
import { abandon } from "./unfinished.js"

/** @typedef {import("./listing.js").Image} Image */

/**
 * @typedef {object} Upload
 * @property {number} id
 * @property {File} file
 * @property {"waiting" | "checking" | "sending" | "processing" | "done" | "present" | "failed" | "refused" | "cancelled"} state
 *   present: the service has the file already; refused: it is no image that can be sent
 * @property {number} sent bytes
 * @property {string} note what holds the upload up, or why it failed
 * @property {string} imageId of the image, or of the one that is there already; empty: not known yet
 * @property {Upload | null} twin the upload of the same bytes, if the file is there already because of it
 * @property {string} begunId of an upload to S3 that has begun
 * @property {string} contentType
 * @property {string} checksum
 * @property {string} key the Idempotency-Key
 * @property {boolean} anyway whether it is sent even if the service has the file already
 * @property {string[]} tags
 * @property {string} visibility
 * @property {AbortController} cancelling
 */

const PARALLEL = 3
const REDRAW_MS = 100
const REVOKED_AFTER_MS = 5_000
const STARTED = new Set(["checking", "sending"])
const UNFINISHED = new Set(["waiting", ...STARTED])
const SENT = new Set([...STARTED, "processing", "done"])
const FINISHED = new Set(["done", "present", "refused", "cancelled"])
// Formats that a browser shows, so that an image has a preview while it is processed.
const SHOWN = /^image\/(jpeg|png|gif|webp|avif)$/

/** @type {import("./observable.js").Observable<readonly Upload[]>} */
export const uploads = observable(/** @type {readonly Upload[]} */ ([]))

/** Sentences about files of folders that are no images. @type {import("./observable.js").Observable<readonly string[]>} */
export const leftOut = observable(/** @type {readonly string[]} */ ([]))

/** What the images get that are added next. Tags are separated by commas. */
export const choices = observable({ tags: "", visibility: "public" })

/** @type {Upload[]} */
let queue = []
let added = 0
let redrawing = 0

session.subscribe(proceed)

addEventListener("beforeunload", (event) => {
  if (queue.some(({ state }) => UNFINISHED.has(state))) event.preventDefault()
})

/** Add files to the queue. Those that can't be sent are refused at once. @param {import("./files.js").Given[]} given */
export async function add(given) {
  /** @type {Map<string, string[]>} */
  const others = new Map()
  for (const { file, folder } of given) {
    const contentType = await imageType(file)
    if (!contentType && folder) others.set(folder, [...(others.get(folder) ?? []), file.name])
    else enqueue(file, contentType, refusal(file, contentType))
  }
  leftOut.set([...leftOut.value, ...[...others].map(([folder, names]) => described(folder, names))])
  if (queue.some(({ state }) => state === "waiting")) identify("Say whose the images are that you upload.")
}

/** Stop an upload. @param {Upload} upload */
export function cancel(upload) {
  stop([upload])
}

/** Stop all uploads that are not finished. */
export function cancelAll() {
  stop(queue.filter(({ state }) => UNFINISHED.has(state)))
}

/** Begin an upload again. @param {Upload} upload */
export function retry(upload) {
  change(upload, { state: "waiting", note: "", sent: 0, twin: null, cancelling: new AbortController() })
  proceed()
}

/** Begin all uploads again that failed. */
export function retryFailed() {
  for (const upload of queue) if (upload.state === "failed") retry(upload)
}

/** Send a file that the service has already. @param {Upload} upload */
export function sendAnyway(upload) {
  change(upload, { anyway: true, imageId: "" })
  retry(upload)
}

/** Take an upload that failed out of the list, and delete what was sent of it. @param {Upload} upload */
export function remove(upload) {
  if (upload.begunId) abandon(upload.begunId)
  queue = queue.filter((each) => each !== upload)
  redraw()
}

/** Take what is finished out of the list. */
export function clearFinished() {
  queue = queue.filter(({ state }) => !FINISHED.has(state))
  leftOut.set([])
  redraw()
}

/** Stop uploads, all before another one begins. @param {Upload[]} stopped */
function stop(stopped) {
  for (const upload of stopped) Object.assign(upload, { state: "cancelled", note: "" })
  for (const upload of stopped) upload.cancelling.abort(new Error("cancelled"))
  redraw()
  proceed()
}

/** @param {File} file @param {string} contentType @param {string} refused a sentence; empty: accepted */
function enqueue(file, contentType, refused) {
  added += 1
  queue.push({
    id: added,
    file,
    state: refused ? "refused" : "waiting",
    sent: 0,
    note: refused,
    imageId: "",
    twin: null,
    begunId: "",
    contentType,
    checksum: "",
    key: newKey(),
    anyway: false,
    tags: tagsIn(choices.value.tags),
    visibility: choices.value.visibility,
    cancelling: new AbortController(),
  })
  redraw()
  proceed()
}

/** @param {File} file @param {string} contentType */
function refusal(file, contentType) {
  if (!file.size) return "The file is empty."
  if (!contentType) return `This is not a ${ACCEPTED_NAMES} image.`
  const limit = config.max_direct_upload_bytes
  return file.size > limit ? `The file is larger than ${sizeText(limit)}, the most that the service accepts.` : ""
}

/** @param {string} folder @param {string[]} names */
function described(folder, names) {
  const some = names.slice(0, 3).join(", ") + (names.length > 3 ? ", …" : "")
  return `Left out of “${folder}”: ${names.length === 1 ? "one file that is not an image" : `${names.length} files that are not images`} (${some}).`
}

/** Start uploads while there is room, and a user who owns them. */
function proceed() {
  if (!session.value.user && !session.value.token) return
  let room = PARALLEL - queue.filter(({ state }) => STARTED.has(state)).length
  for (const upload of queue) {
    if (room <= 0) break
    if (upload.state !== "waiting") continue
    room -= 1
    run(upload)
  }
}

/** @param {Upload} upload */
async function run(upload) {
  const { signal } = upload.cancelling
  const owner = session.value.user
  change(upload, { state: "checking" })
  try {
    upload.checksum ||= await checksum(upload.file)
    signal.throwIfAborted()
    const there = upload.anyway ? null : await present(upload, signal)
    if (there) return change(upload, { state: "present", imageId: there.image_id, twin: there.twin, note: "" })
    change(upload, { state: "sending" })
    const sent = await sendImage({
      ...upload,
      user: owner,
      signal,
      progress: (bytes) => change(upload, { sent: Math.min(bytes, upload.file.size), note: "" }),
      note: (note) => change(upload, { note }),
      begun: (begunId) => change(upload, { begunId }),
    })
    change(upload, { state: "processing", imageId: sent.image_id, note: "" })
    showWhenReady(upload, owner, sent.metadata)
  } catch (error) {
    if (signal.aborted) return
    // The key of a refused request is used up.
    if (error instanceof ApiError && error.status >= 400 && error.status < 500) upload.key = newKey()
    fail(upload, /** @type {Error} */ (error))
  } finally {
    proceed()
  }
}

/** Say why an upload failed. Uploads of the same bytes begin again. @param {Upload} upload @param {Error} error */
function fail(upload, error) {
  change(upload, { state: "failed", note: error.message })
  const twins = queue.filter(({ twin, state }) => twin === upload && state === "present")
  for (const twin of twins) retry(twin)
}

/**
 * Return which image a file is already, or an upload of this list that has the same bytes; or null.
 * @param {Upload} upload @param {AbortSignal} signal
 */
async function present(upload, signal) {
  if (!upload.checksum) return null
  const twin = queue.find((other) => other !== upload && other.checksum === upload.checksum && SENT.has(other.state))
  if (twin) return { twin, image_id: twin.imageId }
  const query = { user_id: session.value.user, checksum: upload.checksum, limit: 1 }
  const { body } = await persistently(
    () => request("GET", "images", { query, signal }),
    signal,
    (note) => change(upload, { note }),
  )
  return body.images.length ? { twin: null, image_id: body.images[0].image_id } : null
}

/** Show an image while it is processed and when it is ready. @param {Upload} upload @param {string} owner @param {Image} [metadata] */
async function showWhenReady(upload, owner, metadata) {
  const preview = metadata && SHOWN.test(upload.contentType) ? URL.createObjectURL(upload.file) : ""
  if (metadata)
    show({
      ...metadata,
      state: "processing",
      analysis: null,
      thumbnail: preview ? { url: preview, width: metadata.width, height: metadata.height } : null,
    })
  try {
    const image = await arrival(upload.imageId, owner)
    if (image) show(image)
    const note = !image
      ? "The picture appears when it is processed."
      : image.state === "failed"
        ? "Stored, but no smaller pictures can be made of it."
        : ""
    change(upload, { state: "done", note })
  } catch (error) {
    fail(upload, /** @type {Error} */ (error))
  } finally {
    // Not before the list shows the picture of the service.
    if (preview) setTimeout(() => isShown(preview) || URL.revokeObjectURL(preview), REVOKED_AFTER_MS)
  }
}

/** @param {string} url */
function isShown(url) {
  return listing.value.images.some(({ thumbnail }) => thumbnail?.url === url)
}

/** Put an image into the list if it belongs there: it has no filters, or the image is there already. @param {Image} image */
function show(image) {
  const { user_id } = address.value
  const all = !isFiltered({ ...address.value, user_id: user_id === image.user_id ? "" : user_id })
  if (all || listing.value.images.some((each) => each.image_id === image.image_id)) put([image])
}

/** @param {Upload} upload @param {Partial<Upload>} changes */
function change(upload, changes) {
  if (upload.state === "cancelled" && changes.state !== "waiting") return
  Object.assign(upload, changes)
  redraw()
}

/** Draw the list again soon: progress comes more often than a screen shows it. */
function redraw() {
  if (redrawing) return
  redrawing = setTimeout(() => {
    redrawing = 0
    uploads.set([...queue])
  }, REDRAW_MS)
}

function newKey() {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((number) => number.toString(16)).join("-")
}
