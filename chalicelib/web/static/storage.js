/** What the browser keeps for the page: for all tabs, or for one. Where it keeps nothing, the page itself does. */

/**
 * @param {"localStorage" | "sessionStorage"} area @param {string} name
 */
export function storage(area, name) {
  const key = `images-api.${name}`
  /** What the browser has refused to keep. @type {any} */
  let refused = null
  return {
    /** Return what is kept; null: nothing. @returns {any} */
    read() {
      try {
        return refused ?? JSON.parse(window[area].getItem(key) ?? "null")
      } catch {
        return null
      }
    },
    /** Keep a value; null: nothing. @param {unknown} value */
    write(value) {
      try {
        if (value === null) window[area].removeItem(key)
        else window[area].setItem(key, JSON.stringify(value))
        refused = null
      } catch {
        refused = value
      }
    },
    /** Call a function when another tab has changed what is kept. @param {() => void} changed */
    follow(changed) {
      addEventListener("storage", (event) => event.key === key && changed())
    },
  }
}
