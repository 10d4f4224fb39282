/** Requests to the service. Paths are relative to the page, which is at the root of the API. */

import { config } from "./config.js"
import { ask, callerHeaders, session, signOut } from "./session.js"

/** An answer with an error status, or none at all (status 0). The message is the service's own sentence. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message @param {any} body @param {number} retryAfterMs when a repetition may succeed */
  constructor(status, message, body = null, retryAfterMs = 0) {
    super(message)
    this.status = status
    this.body = body
    this.retryAfterMs = retryAfterMs
  }
}

/**
 * @typedef {object} Options
 * @property {Record<string, string | number | boolean | string[] | undefined>} [query] empty values are left out
 * @property {unknown} [json] the body
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {boolean} [keepalive] whether the request goes on when the page is closed
 */

/**
 * Send a request as the caller, and return the answer's JSON and its status.
 * @param {string} method @param {string} path @param {Options} [options]
 * @returns {Promise<{body: any, status: number}>}
 * @throws {ApiError}
 */
export function request(method, path, options = {}) {
  return asCaller(() => sent(method, path, { ...options, headers: { ...callerHeaders(), ...options.headers } }))
}

/**
 * Return the answer to a request of somebody who may be another one than the user of the gallery.
 * @param {string} method @param {string} path @param {Options} options
 * @returns {Promise<{body: any, status: number}>}
 * @throws {ApiError}
 */
export async function sent(method, path, { query = {}, json, headers = {}, signal, keepalive }) {
  /** @type {Record<string, string>} */
  const all = { Accept: "application/json", ...headers }
  if (json !== undefined) all["Content-Type"] = "application/json"
  const body = json === undefined ? undefined : JSON.stringify(json)
  let answer
  try {
    answer = await fetch(url(path, query), { method, headers: all, body, signal, keepalive })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new ApiError(0, "The service cannot be reached.")
  }
  const received = await answer.json().catch(() => null)
  signal?.throwIfAborted()
  const sentence = received?.error ?? received?.message ?? `The service answered ${answer.status}.`
  if (!answer.ok) throw new ApiError(answer.status, sentence, received, 1000 * (Number(answer.headers.get("Retry-After")) || 0))
  return { body: received, status: answer.status }
}

/**
 * Repeat an attempt after signing in, if the service wants a token, or another one.
 * @template T
 * @param {() => Promise<T>} attempt @returns {Promise<T>}
 */
export async function asCaller(attempt) {
  const caller = session.value
  try {
    return await attempt()
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 401 && config.auth === "jwt")) throw error
    // Another request may have asked meanwhile.
    if (session.value !== caller ? session.value.token : await ask(error.message)) return asCaller(attempt)
    if (session.value.token) signOut()
    throw error
  }
}

/** Return a path with a query string. @param {string} path @param {Options["query"]} query */
export function url(path, query = {}) {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== "") parameters.append(name, String(each))
    }
  }
  const text = parameters.toString()
  return text ? `${path}?${text}` : path
}
