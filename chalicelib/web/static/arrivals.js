/** Images that were sent and are being processed: one list request asks for all of them, until each is ready. */

import { request } from "./api.js"
import { config } from "./config.js"
import { INCLUDE } from "./listing.js"
import { session } from "./session.js"
import { pause } from "./transfer.js"

const FIRST_PAUSE_MS = 1_000
const MAX_PAUSE_MS = 8_000
const PATIENCE_MS = 600_000
const MAX_SINGLE_REQUESTS = 3
const SPARE = 20 // images

/** @typedef {import("./listing.js").Image} Image */

/** @type {Map<string, {settle: (image: Image | null, reason?: string) => void, until: number}>} */
const expected = new Map()
let wait = FIRST_PAUSE_MS
let asking = false

/**
 * Return an image when it is processed, or null if that takes longer than ten minutes.
 * @param {string} imageId @returns {Promise<Image | null>}
 * @throws {Error} the service refuses the file; the message is its reason
 */
export function arrival(imageId) {
  wait = FIRST_PAUSE_MS
  return new Promise((resolve, reject) => {
    const settle = (/** @type {Image | null} */ image, reason = "") => {
      expected.delete(imageId)
      wait = FIRST_PAUSE_MS
      if (reason) reject(new Error(reason))
      else resolve(image)
    }
    expected.set(imageId, { settle, until: Date.now() + PATIENCE_MS })
    if (!asking) ask()
  })
}

async function ask() {
  asking = true
  while (expected.size) {
    await pause(wait)
    wait = Math.min(MAX_PAUSE_MS, 2 * wait)
    await askOnce().catch(() => {}) // the next round asks again
    for (const { settle, until } of expected.values()) if (Date.now() > until) settle(null)
  }
  asking = false
}

async function askOnce() {
  // The newest images: those that are processed already are hardly more than the others.
  const limit = Math.min(config.max_page_size, 2 * expected.size + SPARE)
  const query = { user_id: session.value.user, include: INCLUDE, limit }
  const { body } = await request("GET", "images", { query })
  const listed = new Set()
  for (const image of body.images) {
    listed.add(image.image_id)
    if (image.state !== "processing") expected.get(image.image_id)?.settle(image)
  }
  // A direct upload is in no list before it is ready, and in none at all if it is rejected.
  const others = [...expected.keys()].filter((id) => !listed.has(id)).slice(0, MAX_SINGLE_REQUESTS)
  await Promise.all(others.map(askForOne))
}

/** @param {string} imageId */
async function askForOne(imageId) {
  const { body } = await request("GET", `images/${imageId}`)
  const { settle } = expected.get(imageId) ?? {}
  if (body.state === "rejected") settle?.(null, body.reason)
  else if (body.state === "ready" || body.state === "failed")
    settle?.({ ...body.metadata, state: body.state, analysis: body.analysis ?? null })
}
