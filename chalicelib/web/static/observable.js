/** A value that components follow: they are drawn again when it changes. */

import { useEffect, useState } from "./htm-preact.js"

/**
 * @template T
 * @typedef {object} Observable
 * @property {T} value
 * @property {(value: T) => void} set
 * @property {(listener: (value: T) => void) => () => void} subscribe returns a function that ends the subscription
 */

/**
 * Return a value that can be followed.
 * @template T
 * @param {T} value
 * @returns {Observable<T>}
 */
export function observable(value) {
  /** @type {Set<(value: T) => void>} */
  const listeners = new Set()
  return {
    get value() {
      return value
    },
    set(changed) {
      value = changed
      for (const listener of [...listeners]) listener(value)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/**
 * Return the present value, and draw the component again when it changes.
 * @template T
 * @param {Observable<T>} followed
 * @returns {T}
 */
export function useObservable(followed) {
  const [, redraw] = useState({})
  useEffect(() => followed.subscribe(() => redraw({})), [followed])
  return followed.value
}
