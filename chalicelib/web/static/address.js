/**
 * What the page's address says: the filters, the order and the image that is open. So a search can be bookmarked, and
 * Back works.
 */

import { observable } from "./observable.js"

/**
 * @typedef {object} Address
 * @property {string} q words
 * @property {string} user_id the owner
 * @property {string[]} tag an image has all of them
 * @property {string} visibility
 * @property {string} content_type
 * @property {string} from a day, such as 2026-01-31
 * @property {string} to a day
 * @property {string} sort taken_at, created_at or updated_at
 * @property {string} order desc or asc
 * @property {string} image the id of the image that is open
 */

/** @type {Address} */
const EMPTY = {
  q: "",
  user_id: "",
  tag: [],
  visibility: "",
  content_type: "",
  from: "",
  to: "",
  sort: "created_at",
  order: "desc",
  image: "",
}

/** @type {import("./observable.js").Observable<Address>} */
export const address = observable(read())

addEventListener("popstate", () => address.set(read()))

/**
 * Change what the address says. `replace`: without a new entry in the browser's history.
 * @param {Partial<Address>} changes @param {{replace?: boolean}} [options]
 */
export function navigate(changes, { replace = false } = {}) {
  const changed = { ...address.value, ...changes }
  // An entry with this state has one before it that is of the gallery, too.
  history[replace ? "replaceState" : "pushState"](replace ? history.state : { follows: true }, "", link(changed))
  address.set(changed)
}

/** Return the URL of the gallery with these filters. @param {Partial<Address>} filters */
export function link(filters) {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries({ ...EMPTY, ...filters })) {
    for (const each of [value].flat()) {
      if (each && each !== EMPTY[/** @type {keyof Address} */ (name)]) parameters.append(name, each)
    }
  }
  const query = parameters.toString()
  return query ? `?${query}` : location.pathname
}

/** What shows everything. The order is no filter. @type {Partial<Address>} */
export const UNFILTERED = { q: "", user_id: "", tag: [], visibility: "", content_type: "", from: "", to: "" }

/** Whether the address asks for some images only. @param {Address} shown */
export function isFiltered(shown) {
  return Object.keys(UNFILTERED).some((name) => shown[/** @type {keyof Address} */ (name)].length > 0)
}

/** Show what another query string says, without a new entry in the browser's history. @param {string} query */
export function restore(query) {
  history.replaceState(null, "", location.pathname + query)
  address.set(read())
}

/** @returns {Address} */
function read() {
  const parameters = new URLSearchParams(location.search)
  /** @type {any} */
  const found = { ...EMPTY }
  for (const name of Object.keys(EMPTY)) {
    const values = parameters.getAll(name).filter(Boolean)
    if (values.length) found[name] = Array.isArray(EMPTY[/** @type {keyof Address} */ (name)]) ? values : values[0]
  }
  return found
}
