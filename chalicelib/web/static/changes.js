/** Changes of images. Each names the version that it was made from, so that nobody's work is overwritten. */

import { ApiError, request } from "./api.js"
import { config } from "./config.js"
import { renew } from "./listing.js"
import { isBusy, persistently } from "./retries.js"
import { session } from "./session.js"

/** @typedef {import("./listing.js").Image} Image */

const PARALLEL = 3
const MAX_ATTEMPTS = 5

/** Whether the caller may change an image. @param {Image} image */
export function mayChange(image) {
  return config.auth === "open" || session.value.user === image.user_id
}

/**
 * Return an image as the service has it now, with what a view adds.
 * @param {string} imageId @param {Record<string, string>} [query] @param {AbortSignal} [signal]
 * @returns {Promise<Image & Record<string, any>>}
 */
export async function read(imageId, query = {}, signal) {
  const { body } = await request("GET", `images/${imageId}`, { query, signal })
  const { metadata, ...added } = body
  return { ...metadata, ...added }
}

/**
 * Store fields of an image, unless it has changed since: then the error's status is 412.
 * @param {Image} image @param {Partial<Image>} fields @returns {Promise<Image>}
 */
export async function save(image, fields) {
  const { body } = await request("PUT", `images/${image.image_id}`, { json: fields, headers: ifMatch(image) })
  renew(body.metadata)
  return body.metadata
}

/**
 * Change an image by a step that can follow the change of somebody else: it is then read and changed again.
 * @param {Image} image @param {(image: Image) => Partial<Image> | null} step null: the image needs no change
 */
export async function apply(image, step) {
  for (let attempt = 1; ; attempt++) {
    const fields = step(image)
    if (!fields) return renew(image)
    try {
      return await save(image, fields)
    } catch (error) {
      if (!isConflict(error) || attempt === MAX_ATTEMPTS) throw error
      image = await read(image.image_id)
    }
  }
}

/** Whether a change failed because the image has changed meanwhile. @param {unknown} error */
export function isConflict(error) {
  return error instanceof ApiError && error.status === 412
}

/** Return the headers of a change that is only for this version of an image. @param {Image} image */
export function ifMatch(image) {
  return { "If-Match": `"${image.version}"` }
}

/**
 * Work on images, some at a time. Returns those that failed.
 * @template T
 * @param {readonly T[]} images @param {(image: T) => Promise<unknown>} work @param {(done: number) => void} [progress]
 * @returns {Promise<{image: T, error: Error}[]>}
 */
export async function forEach(images, work, progress = () => {}) {
  const waiting = [...images]
  /** @type {{image: T, error: Error}[]} */
  const failed = []
  let done = 0
  const { signal } = new AbortController()
  const worker = async () => {
    for (let image = waiting.shift(); image; image = waiting.shift()) {
      try {
        await persistently(
          () => work(image),
          signal,
          () => {},
          isBusy,
        )
      } catch (error) {
        failed.push({ image, error: /** @type {Error} */ (error) })
      }
      progress(++done)
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
  return failed
}

/** Return a sentence about failures: the reason of each, once. @param {readonly {error: Error}[]} failed */
export function reasons(failed) {
  return [...new Set(failed.map(({ error }) => error.message))].join(" ")
}
