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
 * @property {FormData} [form] the body
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {boolean} [keepalive] whether the request goes on when the page is closed
 */

/**
 * Send a request, and return the answer's JSON and its headers. If the service wants a token, or another one, the user
 * is asked to sign in, and the request is sent again.
 * @param {string} method @param {string} path @param {Options} [options]
 * @returns {Promise<{body: any, headers: Headers, status: number}>}
 * @throws {ApiError}
 */
export async function request(method, path, { query = {}, json, form, headers = {}, signal, keepalive } = {}) {
  /** @type {Record<string, string>} */
  const sent = { Accept: "application/json", ...callerHeaders(), ...headers }
  if (json !== undefined) sent["Content-Type"] = "application/json"
  const body = form ?? (json === undefined ? undefined : JSON.stringify(json))
  let answer
  try {
    answer = await fetch(url(path, query), { method, headers: sent, body, signal, keepalive })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new ApiError(0, "The service cannot be reached.")
  }
  const received = await answer.json().catch(() => null)
  signal?.throwIfAborted()
  const sentence = received?.error ?? received?.message ?? `The service answered ${answer.status}.`
  if (answer.status === 401 && config.auth === "jwt" && !headers.Authorization) {
    if (await ask(sentence)) return request(method, path, { query, json, form, headers, signal, keepalive })
    if (session.value.token) signOut()
  }
  if (!answer.ok) throw new ApiError(answer.status, sentence, received, 1000 * (Number(answer.headers.get("Retry-After")) || 0))
  return { body: received, headers: answer.headers, status: answer.status }
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
