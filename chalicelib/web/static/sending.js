/** How the bytes of an image reach the service: in a form or, above its limit, by S3 in one form or in parts. */

import { ApiError, asCaller, request } from "./api.js"
import { config } from "./config.js"
import { persistently } from "./retries.js"
import { callerHeaders } from "./session.js"
import { send } from "./transfer.js"
import { abandon, fingerprint, forget, remember, unfinished, working } from "./unfinished.js"

/**
 * What is sent.
 * @typedef {object} Shipment
 * @property {File} file
 * @property {string} contentType
 * @property {string} checksum empty: unknown
 * @property {string} user the owner; empty: the service knows it from the token
 * @property {string[]} tags
 * @property {string} visibility
 * @property {string} key the Idempotency-Key: a repetition with the same one makes no second image
 * @property {AbortSignal} signal
 * @property {(bytes: number) => void} progress
 * @property {(text: string) => void} note what holds the upload up
 * @property {(imageId: string) => void} begun gets the id of an upload to S3
 */

const MAX_RENEWALS = 3

/**
 * Send an image, and return its id and, if the service knows them already, its metadata.
 * @param {Shipment} shipment
 * @returns {Promise<{image_id: string, metadata?: import("./listing.js").Image}>}
 * @throws {ApiError}
 */
export function sendImage(shipment) {
  return shipment.file.size > config.max_form_image_bytes ? sendDirectly(shipment) : sendForm(shipment)
}

/** @param {Shipment} shipment */
async function sendForm({ file, user, tags, visibility, key, signal, progress, note }) {
  const form = new FormData()
  if (user) form.append("user_id", user)
  form.append("visibility", visibility)
  form.append("tags", JSON.stringify(tags))
  form.append("file", file)
  const post = () =>
    send("POST", "images", form, {
      headers: { ...callerHeaders(), Accept: "application/json", "Idempotency-Key": key },
      signal,
      progress,
    })
  return JSON.parse(await persistently(() => asCaller(post), signal, note))
}

/** @param {Shipment} shipment */
async function sendDirectly(shipment) {
  for (let renewals = 0; ; renewals += 1) {
    const upload = (await resumed(shipment)) ?? (await announced(shipment))
    shipment.begun(upload.image_id)
    try {
      if (upload.fields) await sendFields(shipment, upload)
      else await working(upload.image_id, () => sendParts(shipment, upload))
      forget(upload.image_id)
      return { image_id: upload.image_id }
    } catch (error) {
      if (shipment.signal.aborted) {
        abandon(upload.image_id)
        throw error
      }
      // The form or a URL has expired (403), the upload is gone (404), or parts are missing (409): ask again.
      const again = error instanceof ApiError && [403, 404, 409].includes(error.status) && renewals < MAX_RENEWALS
      if (upload.fields) await abandon(upload.image_id) // a form can't be continued, unlike parts
      if (!again) throw error
    }
  }
}

/** @param {Shipment} shipment */
async function announced({ file, contentType, checksum, user, tags, visibility, signal, note }) {
  const json = {
    user_id: user || undefined,
    tags,
    visibility,
    filename: file.name,
    content_type: contentType,
    size: file.size,
    checksum: checksum || undefined,
  }
  // Not interrupted: only its answer says what to delete when the upload is cancelled.
  const { body } = await persistently(() => request("POST", "images/direct-upload", { json }), signal, note)
  if (body.parts) remember({ imageId: body.image_id, fingerprint: fingerprint(file, checksum), name: file.name, user, begun: Date.now() })
  return body
}

/** Return the parts that are missing of an upload that was interrupted, or null if there is none. @param {Shipment} shipment */
async function resumed({ file, checksum, user, signal, note }) {
  const print = fingerprint(file, checksum)
  const known = unfinished.value.find((each) => each.fingerprint === print && each.user === user)
  if (!known) return null
  const post = (/** @type {string} */ step) =>
    persistently(() => request("POST", `images/${known.imageId}/${step}`, { signal }), signal, note)
  try {
    return (await post("parts")).body
  } catch (error) {
    if (!isOver(error)) throw error
  }
  try {
    await post("complete") // succeeds if only its answer was lost
    return { image_id: known.imageId, parts: [] }
  } catch (error) {
    if (!isOver(error)) throw error
    forget(known.imageId)
    return null
  }
}

/** Whether an upload cannot be continued: it is gone, or complete. @param {unknown} error */
function isOver(error) {
  return error instanceof ApiError && [404, 409].includes(error.status)
}

/** @param {Shipment} shipment @param {any} upload */
async function sendFields({ file, signal, progress, note }, { url, fields }) {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, /** @type {string} */ (value))
  form.append("file", file)
  await persistently(() => send("POST", url, form, { signal, progress }), signal, note)
}

/** @param {Shipment} shipment @param {any} upload */
async function sendParts({ file, signal, progress, note }, { image_id, part_size, parts }) {
  const failing = new AbortController()
  const stop = AbortSignal.any([signal, failing.signal])
  const loaded = new Map()
  let sent = file.size
  for (const { size } of parts) sent -= size
  const count = (/** @type {number} */ number, /** @type {number} */ bytes) => {
    loaded.set(number, bytes)
    progress([...loaded.values()].reduce((sum, each) => sum + each, sent))
  }
  try {
    await Promise.all(
      parts.map((/** @type {any} */ { part_number, size, url }) => {
        const start = (part_number - 1) * part_size
        const part = file.slice(start, start + size)
        return persistently(() => send("PUT", url, part, { signal: stop, progress: (bytes) => count(part_number, bytes) }), stop, note)
      }),
    )
  } catch (error) {
    failing.abort()
    throw error
  }
  await persistently(() => request("POST", `images/${image_id}/complete`, { signal }), signal, note)
}
