/**
 * Who uses the gallery. Under AUTH=open a name that the user states; under AUTH=jwt the subject of a bearer token.
 * A token is kept for the tab only, a name in the browser.
 */

import { config } from "./config.js"
import { observable } from "./observable.js"
import { storage } from "./storage.js"

/**
 * @typedef {object} Session
 * @property {string} user the user_id; empty: anonymous
 * @property {string} token the bearer token; empty under AUTH=open
 */

const ANONYMOUS = { user: "", token: "" }
const kept = storage(config.auth === "jwt" ? "sessionStorage" : "localStorage", "session")

/** @type {import("./observable.js").Observable<Session>} */
export const session = observable({ ...ANONYMOUS, ...kept.read() })

/** Use the gallery as a user. @param {Session} entered */
export function signIn(entered) {
  kept.write(entered)
  session.set(entered)
}

/** Use the gallery anonymously. */
export function signOut() {
  kept.write(null)
  session.set(ANONYMOUS)
}

/** Return the headers that name a caller in a request. @param {Session} [caller] @returns {Record<string, string>} */
export function callerHeaders({ user, token } = session.value) {
  if (token) return { Authorization: `Bearer ${token}` }
  return user && config.auth === "open" ? { "X-User-Id": encodeHeader(user) } : {}
}

/** Return a text as the bytes of its UTF-8, because fetch accepts no other characters in a header. @param {string} text */
function encodeHeader(text) {
  return String.fromCharCode(...new TextEncoder().encode(text))
}

/**
 * What the sign-in dialog asks; null: it is closed.
 * @type {import("./observable.js").Observable<{sentence: string, answer: (known: boolean) => void} | null>}
 */
export const question = observable(/** @type {any} */ (null))

/** @type {Promise<boolean>} */
let asked

/** Ask who the user is. Resolves to whether the user has signed in. @param {string} sentence the reason @returns {Promise<boolean>} */
export function ask(sentence = "") {
  if (question.value) return asked
  asked = new Promise((resolve) => {
    question.set({
      sentence,
      answer(known) {
        question.set(null)
        resolve(known)
      },
    })
  })
  return asked
}

/** Resolve to whether the user is known, after asking one who is not. @param {string} sentence the reason */
export async function identify(sentence) {
  return session.value.user ? true : ask(sentence)
}
