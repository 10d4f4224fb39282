/** A long press on a touch screen. */

const LONG_PRESS_MS = 500
const STILL_PX = 10 // a finger that moves more scrolls

/**
 * Return the handlers of an element in which a long press acts. What the browser does at its end is prevented: a click,
 * and a menu for the link.
 * @param {(target: Element) => boolean} act returns whether there was something to do
 */
export function onLongPress(act) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  let start = { clientX: 0, clientY: 0 }
  let held = false

  /** @param {Event} event */
  function hold(event) {
    end()
    held = act(/** @type {Element} */ (event.target))
  }
  function end() {
    clearTimeout(timer)
    timer = undefined
  }
  /** @param {Event} event */
  function prevent(event) {
    event.preventDefault()
    event.stopPropagation()
  }
  return {
    /** @param {PointerEvent} event */
    onPointerDown(event) {
      held = false
      start = event
      end()
      if (event.pointerType === "touch") timer = setTimeout(hold, LONG_PRESS_MS, event)
    },
    /** @param {PointerEvent} event */
    onPointerMove(event) {
      if (Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) > STILL_PX) end()
    },
    onPointerUp: end,
    onPointerCancel: end,
    /** @param {Event} event */
    onContextMenu(event) {
      // A browser may take a shorter time for long.
      if (timer) hold(event)
      if (held) prevent(event)
    },
    /** @param {Event} event */
    onClickCapture(event) {
      if (held) prevent(event)
      held = false
    },
  }
}
