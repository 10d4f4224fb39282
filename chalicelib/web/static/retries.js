/** Requests that are repeated after a failure that may pass. */

import { ApiError } from "./api.js"

const MAX_REPETITIONS = 6
const MAX_PAUSE_MS = 30_000

/**
 * Repeat an attempt while it fails for a reason that may pass, after pauses that grow. While the browser is offline,
 * wait. `note` gets what to tell the user.
 * @template T
 * @param {() => Promise<T>} attempt @param {AbortSignal} signal @param {(text: string) => void} note
 * @param {(status: number) => boolean} [passes]
 * @returns {Promise<T>}
 */
export async function persistently(attempt, signal, note, passes = mayPass) {
  for (let failures = 0; ; ) {
    signal.throwIfAborted()
    if (!navigator.onLine) {
      note("Waiting for the connection")
      await event(window, "online", signal)
    }
    try {
      return await attempt()
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError) || !passes(error.status)) throw error
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
    const stop = () => (clearTimeout(timer), reject(signal?.reason))
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop)
      resolve(undefined)
    }, milliseconds)
    signal?.addEventListener("abort", stop)
  })
}

/** Whether the service asks to come again later. @param {number} status */
export function isBusy(status) {
  return status === 429 || status === 503
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
