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

/** Return the tags in a text, which commas separate. @param {string} text */
export function tagsIn(text) {
  return text
    .split(",")
    .map((tag) => tag.trim())
    .filter(Boolean)
}

/** Return tags with more of them. @param {readonly string[]} tags @param {readonly string[]} added */
export function withTags(tags, added) {
  const all = [...tags]
  for (const tag of added) if (!hasTag(all, tag)) all.push(tag)
  return all
}

/** Return tags without one. @param {readonly string[]} tags @param {string} tag */
export function withoutTag(tags, tag) {
  return tags.filter((each) => each.toLowerCase() !== tag.toLowerCase())
}

/** @param {readonly string[]} tags @param {string} tag */
export function hasTag(tags, tag) {
  return tags.some((each) => each.toLowerCase() === tag.toLowerCase())
}
