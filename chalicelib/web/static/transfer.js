/** Requests with many bytes: with progress, three at a time, and repeated after a failure that may pass. */

import { ApiError } from "./api.js"

const PARALLEL = 3
const MAX_REPETITIONS = 6
const MAX_PAUSE_MS = 30_000

/**
 * @typedef {object} Sending
 * @property {AbortSignal} signal
 * @property {Record<string, string>} [headers]
 * @property {(bytes: number) => void} [progress]
 */

/** @type {(() => void)[]} */
const queue = []
let running = 0

/**
 * Send bytes, as one of three requests at the same time, and return the text of the answer.
 * @param {string} method @param {string} url @param {FormData | Blob} body @param {Sending} options
 * @returns {Promise<string>}
 * @throws {ApiError}
 */
export async function send(method, url, body, options) {
  if (running === PARALLEL) await turn(options.signal)
  else running += 1
  try {
    return await sent(method, url, body, options)
  } finally {
    const next = queue.shift()
    if (next) next()
    else running -= 1
  }
}

/** Wait until a request has ended. One that is cancelled leaves the queue at once. @param {AbortSignal} signal */
function turn(signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const begin = () => {
      signal.removeEventListener("abort", leave)
      resolve(undefined)
    }
    const leave = () => {
      queue.splice(queue.indexOf(begin), 1)
      reject(signal.reason)
    }
    signal.addEventListener("abort", leave, { once: true })
    queue.push(begin)
  })
}

/**
 * Repeat an attempt while it fails for a reason that may pass, after pauses that grow. While the browser is offline,
 * wait. `note` gets what to tell the user.
 * @template T
 * @param {() => Promise<T>} attempt @param {AbortSignal} signal @param {(text: string) => void} note
 * @returns {Promise<T>}
 */
export async function persistently(attempt, signal, note) {
  for (let failures = 0; ; ) {
    if (!navigator.onLine) {
      note("Waiting for the connection")
      await event(window, "online", signal)
    }
    try {
      signal.throwIfAborted()
      return await attempt()
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError) || !mayPass(error.status)) throw error
      if (!navigator.onLine) continue
      failures += 1
      if (failures > MAX_REPETITIONS) throw error
      note("Trying again in a moment")
      await pause(Math.max(Math.min(MAX_PAUSE_MS, 500 * 2 ** failures) * (0.75 + Math.random() / 2), error.retryAfterMs), signal)
    }
  }
}

/** Wait. @param {number} milliseconds @param {AbortSignal} [signal] */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds)
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true })
  })
}

/** @param {number} status 0: there was no answer */
function mayPass(status) {
  return status === 0 || status === 429 || status >= 500
}

/** @param {EventTarget} target @param {string} name @param {AbortSignal} signal */
function event(target, name, signal) {
  return new Promise((resolve, reject) => {
    target.addEventListener(name, resolve, { once: true, signal })
    signal.addEventListener("abort", () => reject(signal.reason), { once: true })
  })
}

/** @param {string} method @param {string} url @param {FormData | Blob} body @param {Sending} options @returns {Promise<string>} */
function sent(method, url, body, { signal, headers = {}, progress = () => {} }) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const request = new XMLHttpRequest()
    const stop = () => request.abort()
    signal.addEventListener("abort", stop)
    request.open(method, url)
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
    request.upload.onprogress = ({ loaded }) => progress(loaded)
    request.onloadend = () => {
      signal.removeEventListener("abort", stop)
      if (signal.aborted) reject(signal.reason)
      else if (request.status >= 200 && request.status < 300) resolve(request.responseText)
      else reject(refusal(request))
    }
    request.send(body)
  })
}

/**
 * Return the error of an answer, with the service's sentence in JSON or that of S3 in XML.
 * @param {XMLHttpRequest} request
 */
function refusal(request) {
  const { status, responseText } = request
  if (!status) return new ApiError(0, "The connection broke.")
  const seconds = /^retry-after: *(\d+)/im.exec(request.getAllResponseHeaders())?.[1] ?? 0
  return new ApiError(status, sentence(responseText) || `The service answered ${status}.`, null, 1000 * Number(seconds))
}

/** @param {string} text */
function sentence(text) {
  try {
    return JSON.parse(text).error
  } catch {
    return /<Message>([^<]*)</.exec(text)?.[1]
  }
}
