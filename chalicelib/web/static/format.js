/** Times, days, sizes, names and states, as a user reads them. */

/** @typedef {import("./listing.js").Image} Image */

const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" })
const PERIOD = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" })
const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" })
const NUMBER = new Intl.NumberFormat()
const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"]

/**
 * Return the time by which a list sorts an image, in milliseconds since the epoch. Cameras rarely know their offset: a
 * time taken without one counts as UTC.
 * @param {Image} image @param {string} sort
 */
export function sortTime(image, sort) {
  const taken = sort === "taken_at" && image.analysis?.taken_at
  if (taken) return Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(taken) ? taken : `${taken}Z`)
  return Date.parse(sort === "updated_at" ? image.updated_at : image.created_at)
}

/** The days of images, by the order of the list. @type {Record<string, WeakMap<Image, string>>} */
const days = { taken_at: new WeakMap(), created_at: new WeakMap(), updated_at: new WeakMap() }

/**
 * Return the day of this time, such as 2026-01-31: in UTC for the time taken, else where the user is.
 * @param {Image} image @param {string} sort
 */
export function dayOf(image, sort) {
  const known = days[sort]?.get(image)
  if (known) return known
  const time = sortTime(image, sort)
  const offset = sort === "taken_at" ? 0 : new Date(time).getTimezoneOffset() * 60_000
  const day = new Date(time - offset).toISOString().slice(0, 10)
  days[sort]?.set(image, day)
  return day
}

/** Return a day or, from the later or the earlier one, a period. @param {string} first such as 2026-01-31 @param {string} last */
export function daysText(first, last) {
  if (first === last) return DAY.format(new Date(first))
  const [from, to] = [first, last].sort()
  return PERIOD.formatRange(new Date(from), new Date(to))
}

/** @param {string} time of RFC 3339 */
export function timeText(time) {
  return TIME.format(new Date(time))
}

/** @param {number} count */
export function numberText(count) {
  return NUMBER.format(count)
}

/** @param {number} bytes */
export function sizeText(bytes) {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length - 1)
  const format = { style: "unit", unit: UNITS[power], unitDisplay: power ? "short" : "long", maximumFractionDigits: power > 1 ? 1 : 0 }
  return new Intl.NumberFormat(undefined, /** @type {any} */ (format)).format(bytes / 1000 ** power)
}

/** What is said in place of a picture, by the state of the image. @type {Record<string, string>} */
export const STATE_TEXTS = { processing: "Processing…", failed: "Processing failed" }

/** Return what an image is called: its title, else its file name without the extension. @param {Image} image */
export function nameOf({ title, filename }) {
  return title || (filename ?? "").replace(/(?!^)\.[^.]*$/, "") || "Untitled"
}
