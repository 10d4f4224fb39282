/** Images that are being processed: they are read again, with those of the same owner, until each is ready. */

import { request } from "./api.js"
import { config } from "./config.js"
import { INCLUDE, isTaken, renew } from "./listing.js"
import { pause } from "./retries.js"

const FIRST_PAUSE_MS = 1_000
const MAX_PAUSE_MS = 8_000
const PATIENCE_MS = 600_000
const MAX_REQUESTS = 3 // of a kind, in a round
const SPARE = 20 // images

/** @typedef {import("./listing.js").Image} Image */

/**
 * @typedef {object} Expected
 * @property {string} owner
 * @property {number} until
 * @property {Promise<Image | null>} promise
 * @property {(image: Image | null) => void} resolve
 * @property {(reason: Error) => void} reject
 */

/** What is expected, by image id. What was asked for last is last. @type {Map<string, Expected>} */
const expected = new Map()
let wait = FIRST_PAUSE_MS
let asking = false

/**
 * Return an image when it is processed, or null if it is deleted or takes longer than ten minutes. The list and the
 * viewer show it.
 * @param {string} imageId @param {string} owner @returns {Promise<Image | null>}
 * @throws {Error} the service refuses the file; the message is its reason
 */
export function arrival(imageId, owner) {
  const known = expected.get(imageId)
  if (known) return known.promise
  const { promise, resolve, reject } = withResolvers()
  expected.set(imageId, { owner, until: Date.now() + PATIENCE_MS, promise, resolve, reject })
  wait = FIRST_PAUSE_MS
  if (!asking) ask()
  return promise
}

async function ask() {
  asking = true
  while (expected.size) {
    await pause(wait)
    wait = Math.min(MAX_PAUSE_MS, 2 * wait)
    await askOnce().catch(() => {}) // the next round asks again
    for (const [id, { until }] of [...expected]) if (Date.now() > until) giveUp(id)
  }
  asking = false
}

async function askOnce() {
  for (const id of [...expected.keys()]) if (isTaken(id)) giveUp(id)
  const owners = [...new Set([...expected.values()].map(({ owner }) => owner))].slice(0, MAX_REQUESTS)
  const listed = new Set((await Promise.all(owners.map(askForNewest))).flat())
  // A direct upload is in no list before it is ready, and in none at all if it is rejected.
  const others = [...expected].filter(([id, { owner }]) => owners.includes(owner) && !listed.has(id))
  await Promise.all(others.slice(0, MAX_REQUESTS).map(([id]) => askForOne(id)))
}

/** @param {string} owner @returns {Promise<string[]>} the ids of the images in the answer */
async function askForNewest(owner) {
  const own = [...expected].filter(([, each]) => each.owner === owner)
  // Those that are processed already are hardly more than the others.
  const limit = Math.min(config.max_page_size, 2 * own.length + SPARE)
  const { body } = await request("GET", "images", { query: { user_id: owner, include: INCLUDE, limit } })
  for (const [id, each] of own) if (expected.has(id)) askLater(id, each)
  for (const image of body.images) if (image.state !== "processing") arrived(image)
  return body.images.map((/** @type {Image} */ image) => image.image_id)
}

/** @param {string} imageId */
async function askForOne(imageId) {
  const { body } = await request("GET", `images/${imageId}`).catch((error) => {
    if (error.status === 404) giveUp(imageId)
    throw error
  })
  const found = expected.get(imageId)
  if (!found) return
  if (body.state === "ready" || body.state === "failed") arrived({ ...body.metadata, state: body.state, analysis: body.analysis ?? null })
  else if (body.state !== "rejected") askLater(imageId, found)
  else {
    expected.delete(imageId)
    found.reject(new Error(body.reason))
  }
}

/** @param {string} imageId */
function giveUp(imageId) {
  const found = expected.get(imageId)
  expected.delete(imageId)
  found?.resolve(null)
}

/** Let the others be asked for first. @param {string} imageId @param {Expected} one */
function askLater(imageId, one) {
  expected.delete(imageId)
  expected.set(imageId, one)
}

/** @param {Image} image */
function arrived(image) {
  const found = expected.get(image.image_id)
  if (!found) return
  expected.delete(image.image_id)
  wait = FIRST_PAUSE_MS
  renew(image)
  found.resolve(image)
}

function withResolvers() {
  /** @type {any} */
  const parts = {}
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return /** @type {Pick<Expected, "promise" | "resolve" | "reject">} */ (parts)
}
