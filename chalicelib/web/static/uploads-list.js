/** The panel of uploads: pickers, what the images get, and the list of uploads. */

import { link, navigate } from "./address.js"
import { config } from "./config.js"
import { ACCEPTED, picked } from "./files.js"
import { sizeText } from "./format.js"
import { html, useEffect, useRef, useState } from "./htm-preact.js"
import { useObservable } from "./observable.js"
import { ask, session } from "./session.js"
import { abandon, interrupted, inWork, unfinished } from "./unfinished.js"
import { add, cancel, cancelAll, choices, clearFinished, leftOut, remove, retry, retryFailed, sendAnyway, uploads } from "./uploads.js"

/** @typedef {import("./uploads.js").Upload} Upload */

const SPOKEN_MS = 5_000 // between two announcements

/** How many uploads of a state the list shows: the first of those to come, the last of those that are over. */
/** @type {Record<string, number>} */
const SHOWN_FIRST = { waiting: 5, checking: 3, sending: 3, failed: 50 }
/** @type {Record<string, number>} */
const SHOWN_LAST = { processing: 5, done: 10, present: 20, refused: 20, cancelled: 5 }

/** @type {Record<string, string>} */
const WORDS = {
  waiting: "waiting",
  checking: "waiting",
  sending: "uploading",
  processing: "processing",
  done: "uploaded",
  present: "already there",
  failed: "failed",
  refused: "refused",
  cancelled: "cancelled",
}

/** How many uploads are still to be sent, beside the button that opens the panel. */
export function ToGo() {
  const left = toGo(counted(useObservable(uploads)))
  return left > 0 && html` <span class="upload-count">${left}<span class="hidden-text"> to go</span></span>`
}

/** The panel. @param {{close: () => void}} props */
export function Panel({ close }) {
  const all = useObservable(uploads)
  const sentences = useObservable(leftOut)
  const { user, token } = useObservable(session)
  const counts = counted(all)
  const shown = shortened(all, counts)
  const finished = counts.done + counts.present + counts.refused + counts.cancelled + sentences.length
  return html`<header>
      <h2>Upload images</h2>
      <button class="icon" aria-label="Close the uploads" onClick=${close}>×</button>
    </header>
    <div class="uploads-body">
      <div class="upload-ways">
        <${Picker} label="Choose images" accept=${ACCEPTED} />
        ${"webkitdirectory" in HTMLInputElement.prototype && html`<${Picker} label="Choose a folder" folder />`}
        <p class="quiet">or drop or paste them anywhere on this page.</p>
      </div>
      <${Choices} />
      ${!user && !token && html`<p class="upload-sign-in"><button class="primary" onClick=${() => ask()}>${config.auth === "open" ? "Enter your name" : "Sign in"}</button> Uploads start when it is known whose they are.</p>`}
      <${Interrupted} />
      ${
        all.length > 0 &&
        html`<p class="upload-summary">${summary(counts)}</p>
        <div class="upload-all">
          ${toGo(counts) > 1 && html`<button onClick=${cancelAll}>Cancel all</button>`}
          ${counts.failed > 1 && html`<button onClick=${retryFailed}>Retry all ${counts.failed} failed</button>`}
          ${finished > 0 && html`<button onClick=${clearFinished}>Clear finished</button>`}
        </div>`
      }
      ${sentences.map((sentence) => html`<p class="quiet">${sentence}</p>`)}
      <ul class="upload-list" aria-label="Files">
        ${shown.map((upload) => html`<${Row} key=${upload.id} upload=${upload} state=${upload.state} sent=${upload.sent} note=${upload.note} />`)}
      </ul>
      ${shown.length < all.length && html`<p class="quiet">${all.length - shown.length} more are not shown.</p>`}
    </div>`
}

/** A button that opens a picker of the browser. @param {{label: string, accept?: string, folder?: boolean}} props */
function Picker({ label, accept, folder }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null))
  const chosen = () => {
    add(picked(/** @type {FileList} */ (input.current?.files)))
    if (input.current) input.current.value = "" // the same files can be chosen again
  }
  return html`<button onClick=${() => input.current?.click()}>${label}</button>
    <input type="file" hidden multiple ref=${input} accept=${accept} webkitdirectory=${folder} aria-label=${label} onChange=${chosen} />`
}

/** What the images get that are added next. */
function Choices() {
  const { tags, visibility } = useObservable(choices)
  const change = (/** @type {object} */ changes) => choices.set({ ...choices.value, ...changes })
  return html`<fieldset class="upload-choices">
    <legend>For the images that you add next</legend>
    <label>Tags, separated by commas <input value=${tags} autocomplete="off" onInput=${(/** @type {any} */ event) => change({ tags: event.target.value })} /></label>
    <label>
      Visibility
      <select value=${visibility} onChange=${(/** @type {any} */ event) => change({ visibility: event.target.value })}>
        <option value="public">Public</option>
        <option value="private">Private</option>
      </select>
    </label>
  </fieldset>`
}

/** Uploads in parts that a reload interrupted. */
function Interrupted() {
  const { user } = useObservable(session)
  const known = interrupted(user, useObservable(unfinished))
  const [busy, setBusy] = useState(/** @type {ReadonlySet<string>} */ (new Set()))
  useEffect(() => void inWork().then(setBusy), [known.length])
  const here = new Set(useObservable(uploads).map(({ begunId }) => begunId))
  const shown = known.filter(({ imageId }) => !here.has(imageId) && !busy.has(imageId))
  if (!shown.length) return null
  return html`<div class="upload-interrupted">
    <h3>Interrupted</h3>
    <p class="quiet">Choose these files again to continue where they stopped.</p>
    <ul>
      ${shown.map(({ imageId, name }) => html`<li key=${imageId}><span class="upload-name">${name}</span> <button class="plain" onClick=${() => abandon(imageId)}>Forget<span class="hidden-text"> ${name}</span></button></li>`)}
    </ul>
  </div>`
}

/** @param {{upload: Upload}} props */
function Row({ upload }) {
  const { state, file, sent } = upload
  const imageId = upload.imageId || upload.twin?.imageId
  const named = (/** @type {string} */ word) => html`${word}<span class="hidden-text"> ${file.name}</span>`
  return html`<li class=${`upload ${state}`}>
    <span class="upload-name" title=${file.name}>${file.name}</span>
    <span class="upload-state">${words(upload)}</span>
    ${state === "sending" && html`<progress max=${file.size} value=${sent} aria-label=${`Upload of ${file.name}`}></progress>`}
    <span class="upload-actions">
      ${imageId && (state === "present" || state === "done") && html`<a href=${link({ image: imageId })} onClick=${(/** @type {Event} */ event) => (event.preventDefault(), navigate({ image: imageId }))}>${named("Open")}</a>`}
      ${state === "present" && html`<button class="plain" onClick=${() => sendAnyway(upload)}>${named("Upload anyway")}</button>`}
      ${(state === "failed" || state === "cancelled") && html`<button class="plain" onClick=${() => retry(upload)}>${named("Retry")}</button>`}
      ${state === "failed" && html`<button class="plain" onClick=${() => remove(upload)}>${named("Remove")}</button>`}
      ${["waiting", "checking", "sending"].includes(state) && html`<button class="plain" onClick=${() => cancel(upload)}>${named("Cancel")}</button>`}
    </span>
  </li>`
}

/** Tell a screen reader how far the uploads are, but not too often. */
export function Spoken() {
  const text = summary(counted(useObservable(uploads)))
  const [spoken, speak] = useState("")
  const latest = useRef(text)
  const timer = useRef(0)
  latest.current = text
  useEffect(() => {
    timer.current ||= setTimeout(() => {
      timer.current = 0
      speak(latest.current)
    }, SPOKEN_MS)
  }, [text])
  return html`<p class="hidden-text" role="status">${spoken}</p>`
}

/** Return what a row says about an upload. @param {Upload} upload */
function words({ state, file, sent, note }) {
  const size = sizeText(file.size)
  if (state === "sending") return note || `${sizeText(sent)} of ${size}`
  if (state === "checking") return note || "Comparing with your images"
  if (state === "failed" || state === "refused") return note
  const word = WORDS[state]
  return `${word[0].toUpperCase()}${word.slice(1)}, ${size}${note && `. ${note}`}`
}

/** Return the number of uploads in each state. @param {readonly Upload[]} all @returns {Record<string, number>} */
function counted(all) {
  const counts = Object.fromEntries(Object.keys(WORDS).map((state) => [state, 0]))
  for (const { state } of all) counts[state] += 1
  return counts
}

/** @param {Record<string, number>} counts */
function toGo({ waiting, checking, sending }) {
  return waiting + checking + sending
}

/** @param {Record<string, number>} counts */
function summary(counts) {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0) - counts.refused - counts.cancelled
  const others = ["present", "failed", "refused", "cancelled"]
    .filter((state) => counts[state])
    .map((state) => `${counts[state]} ${WORDS[state]}`)
  return [...(total ? [`${counts.done + counts.processing} of ${total} uploaded`] : []), ...others].join(", ")
}

/** Return the uploads that are of interest now. @param {readonly Upload[]} all @param {Record<string, number>} counts */
function shortened(all, counts) {
  /** @type {Record<string, number>} */
  const seen = {}
  return all.filter(({ state }) => {
    seen[state] = (seen[state] ?? 0) + 1
    return seen[state] <= (SHOWN_FIRST[state] ?? 0) || counts[state] - seen[state] < (SHOWN_LAST[state] ?? 0)
  })
}
