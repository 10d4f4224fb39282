/** Tags: those in use, and lists of them. Case does not distinguish tags. */

import { request } from "./api.js"

/** @typedef {{tag: string, count: number}} Counted */

/**
 * Read the tags in use that begin with a text, after a pause. Returns a function that ends this. Without tags, the rest of
 * the page works as well, so that nothing tells of a failure.
 * @param {{user_id: string, prefix?: string, limit: number}} query
 * @param {(tags: Counted[], complete: boolean) => void} use @param {number} [milliseconds]
 */
export function readTags(query, use, milliseconds = 0) {
  const reading = new AbortController()
  const timer = setTimeout(async () => {
    const answer = await request("GET", "tags", { query, signal: reading.signal }).catch(() => null)
    if (answer && !reading.signal.aborted) use(answer.body.tags, !answer.body.has_more)
  }, milliseconds)
  return () => {
    clearTimeout(timer)
    reading.abort()
  }
}

/** Return tags with one more. @param {readonly string[]} tags @param {string} tag */
export function withTag(tags, tag) {
  const added = tag.trim()
  return !added || hasTag(tags, added) ? [...tags] : [...tags, added]
}

/** Return tags without one. @param {readonly string[]} tags @param {string} tag */
export function withoutTag(tags, tag) {
  return tags.filter((each) => each.toLowerCase() !== tag.toLowerCase())
}

/** @param {readonly string[]} tags @param {string} tag */
export function hasTag(tags, tag) {
  return tags.some((each) => each.toLowerCase() === tag.toLowerCase())
}
