/** Keys that act on the whole page. */

/** Whether a key is for a field. @param {KeyboardEvent} event */
export function isTyping({ target }) {
  return target instanceof Element && target.closest("input:not([type=checkbox]), textarea, select") !== null
}
