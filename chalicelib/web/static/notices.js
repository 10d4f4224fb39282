/** Short messages at the edge of the page, which a screen reader speaks. One may have an action, such as Undo. */

import { html } from "./htm-preact.js"
import { observable, useObservable } from "./observable.js"

/**
 * @typedef {object} Notice
 * @property {string} text
 * @property {string} [action] the label of a button
 * @property {() => void} [act]
 * @property {boolean} [failed]
 */

const SHOWN_MS = 8_000

/** @type {import("./observable.js").Observable<readonly Notice[]>} */
const notices = observable(/** @type {readonly Notice[]} */ ([]))

/**
 * Show a notice for some seconds; one about a failure, until it is closed. Returns a function that removes it.
 * @param {Notice} notice @param {number} [milliseconds]
 */
export function notify(notice, milliseconds = notice.failed ? Infinity : SHOWN_MS) {
  notices.set([...notices.value, notice])
  const remove = () => close(notice)
  if (Number.isFinite(milliseconds)) setTimeout(remove, milliseconds)
  return remove
}

/** @param {Notice} notice */
function close(notice) {
  notices.set(notices.value.filter((each) => each !== notice))
}

/** The notices. */
export function Notices() {
  return html`<div class="notices" role="status" aria-atomic="false">
    ${useObservable(notices).map(
      (notice) => html`<div class=${notice.failed ? "notice failed" : "notice"} key=${notice}>
        <span>${notice.text}</span>
        ${notice.action && html`<button onClick=${() => (close(notice), notice.act?.())}>${notice.action}</button>`}
        ${notice.failed && html`<button class="icon" aria-label="Close the message" onClick=${() => close(notice)}>×</button>`}
      </div>`,
    )}
  </div>`
}
