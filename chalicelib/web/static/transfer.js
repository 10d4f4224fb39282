/** Requests with many bytes: with progress, and three at a time. */

import { ApiError } from "./api.js"

const PARALLEL = 3

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
