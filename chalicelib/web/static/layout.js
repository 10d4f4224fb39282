/**
 * Where each picture of the grid is: rows of equal height that fill the width, under a heading for each day.
 * Neighbouring days with few pictures share a section, so that a list of them does not consist of gaps.
 */

import { dayOf } from "./format.js"

/**
 * @typedef {object} Box pixels; `y` from the top of the grid
 * @property {import("./listing.js").Image} image
 * @property {number} x
 * @property {number} y
 * @property {number} width
 * @property {number} height
 */

/**
 * @typedef {object} Section
 * @property {string} first the day of its first picture, such as 2026-01-31
 * @property {string} last the day of its last picture
 * @property {number} top
 * @property {number} height
 * @property {Box[]} boxes
 */

/**
 * @typedef {object} Layout
 * @property {Section[]} sections
 * @property {Box[]} boxes of all sections
 * @property {number} height
 */

export const HEADING_PX = 44
const GAP_PX = 4
const FEW = 4 // pictures: a day with fewer can share its section
const ENOUGH = 12 // pictures of a section that no further day joins
const MONTH_CHARS = 7 // of a day
const FLATTEST = 3
const NARROWEST = 0.5

/**
 * @param {readonly import("./listing.js").Image[]} images @param {number} width @param {string} sort
 * @returns {Layout}
 */
export function layOut(images, width, sort) {
  const rowHeight = width < 600 ? 120 : width < 1600 ? 200 : 260
  /** @type {Section[]} */
  const sections = []
  /** @type {Box[]} */
  const boxes = []
  let y = 0
  let start = 0
  for (const { first, last, count } of shared(images.map((image) => dayOf(image, sort)))) {
    const section = { first, last, top: y, height: 0, boxes: /** @type {Box[]} */ ([]) }
    const stop = start + count
    y += HEADING_PX
    while (start < stop) {
      let end = start
      let ratios = 0
      let height = Infinity
      while (height > rowHeight && end < stop) {
        ratios += ratioOf(images[end])
        end += 1
        height = (width - GAP_PX * (end - start - 1)) / ratios
      }
      height = Math.min(height, rowHeight)
      let x = 0
      for (; start < end; start += 1) {
        const box = { image: images[start], x, y, width: ratioOf(images[start]) * height, height }
        section.boxes.push(box)
        boxes.push(box)
        x += box.width + GAP_PX
      }
      y += height + GAP_PX
    }
    section.height = y - section.top
    sections.push(section)
  }
  return { sections, boxes, height: y }
}

/**
 * Return the sections of a list: of one day or, if each has few pictures, of several days of a month.
 * @param {string[]} days of the pictures, in the order of the list
 */
function shared(days) {
  /** @type {{first: string, last: string, count: number, open: boolean}[]} */
  const sections = []
  let start = 0
  while (start < days.length) {
    const day = days[start]
    let end = start
    while (days[end] === day) end += 1
    const count = end - start
    const open = count < FEW
    const before = sections.at(-1)
    if (before?.open && open && before.count < ENOUGH && before.last.slice(0, MONTH_CHARS) === day.slice(0, MONTH_CHARS)) {
      before.last = day
      before.count += count
    } else {
      sections.push({ first: day, last: day, count, open })
    }
    start = end
  }
  return sections
}

/**
 * Return the index of the picture that an arrow key, Home or End leads to.
 * @param {Box[]} boxes @param {number} index @param {string} key @returns {number | undefined}
 */
export function neighbour(boxes, index, key) {
  const last = boxes.length - 1
  if (key === "Home") return 0
  if (key === "End") return last
  if (key === "ArrowLeft") return Math.max(index - 1, 0)
  if (key === "ArrowRight") return Math.min(index + 1, last)
  if (key !== "ArrowUp" && key !== "ArrowDown") return undefined
  const step = key === "ArrowUp" ? -1 : 1
  const from = boxes[index]
  let at = index
  while (boxes[at]?.y === from.y) at += step
  if (!boxes[at]) return index
  const row = boxes[at].y
  let nearest = at
  for (; boxes[at]?.y === row; at += step) if (offset(boxes[at], from) < offset(boxes[nearest], from)) nearest = at
  return nearest
}

/** @param {Box} box @param {Box} from */
function offset(box, from) {
  return Math.abs(box.x + box.width / 2 - from.x - from.width / 2)
}

/** @param {import("./listing.js").Image} image */
function ratioOf({ width, height }) {
  return Math.min(Math.max(width / height || 1, NARROWEST), FLATTEST)
}
