/** What can be done with the images that are chosen: tags, visibility, deletion. */

import { apply, forEach, reasons } from "./changes.js"
import { remove } from "./deletion.js"
import { html, useState } from "./htm-preact.js"
import { listing } from "./listing.js"
import { notify } from "./notices.js"
import { useObservable } from "./observable.js"
import { clear, selected } from "./selection.js"
import { session } from "./session.js"
import { TagInput } from "./tagfield.js"
import { hasTag, tagsIn, withoutTag, withTags } from "./tags.js"

/** @typedef {import("./listing.js").Image} Image */

/** What can be done with the images that are chosen. */
export function Bar() {
  const ids = useObservable(selected)
  const { images } = useObservable(listing)
  const { user } = useObservable(session)
  const [progress, setProgress] = useState(/** @type {{done: number, all: number} | null} */ (null))
  const [added, setAdded] = useState("")
  const [removed, setRemoved] = useState("")

  const chosen = images.filter((image) => ids.has(image.image_id))
  const tags = [...new Set(chosen.flatMap((image) => image.tags))].sort((a, b) => a.localeCompare(b))
  const change = (/** @type {readonly Image[]} */ all, /** @type {(image: Image) => Partial<Image> | null} */ step) =>
    changeAll(all, step, (done) => setProgress(done === all.length ? null : { done, all: all.length }))
  const addTag = () => {
    const wanted = tagsIn(added)
    setAdded("")
    if (wanted.length)
      change(chosen, (image) => (wanted.every((tag) => hasTag(image.tags, tag)) ? null : { tags: withTags(image.tags, wanted) }))
  }
  const removeTag = () => {
    setRemoved("")
    if (removed) change(chosen, (image) => (hasTag(image.tags, removed) ? { tags: withoutTag(image.tags, removed) } : null))
  }
  const show = (/** @type {"public" | "private"} */ visibility) =>
    change(chosen, (image) => (image.visibility === visibility ? null : { visibility }))

  return html`<section class="selection" aria-label="Selection">
    <span class="count" role="status">${ids.size} selected</span>
    ${
      progress
        ? html`<label class="progress">${progress.done} of ${progress.all} <progress max=${progress.all} value=${progress.done} /></label>`
        : html`<form onSubmit=${(/** @type {Event} */ event) => (event.preventDefault(), addTag())}>
            <${TagInput} label="Add a tag" owner=${user} id="selection-tag" value=${added} onInput=${setAdded} onEnter=${addTag} />
            <button>Add</button>
          </form>
          ${
            tags.length > 0 &&
            html`<form onSubmit=${(/** @type {Event} */ event) => (event.preventDefault(), removeTag())}>
            <select aria-label="Remove a tag" value=${removed} onChange=${(/** @type {any} */ event) => setRemoved(event.target.value)}>
              <option value="">Remove a tag</option>${tags.map((tag) => html`<option key=${tag} value=${tag}>${tag}</option>`)}
            </select>
            <button>Remove</button>
          </form>`
          }
          <button onClick=${() => show("public")}>Make public</button>
          <button onClick=${() => show("private")}>Make private</button>
          <button class="danger" onClick=${() => remove(chosen)}>Delete</button>`
    }
    <button class="icon clear" aria-label="Clear the selection" title="Clear the selection (Escape)" onClick=${clear}>×</button>
  </section>`
}

/**
 * Change images, some at a time, and say how many failed.
 * @param {readonly Image[]} images @param {(image: Image) => Partial<Image> | null} step @param {(done: number) => void} progress
 */
async function changeAll(images, step, progress) {
  progress(0)
  const failed = await forEach(images, (image) => apply(image, step), progress)
  const done = images.length - failed.length
  if (!failed.length) return notify({ text: done === 1 ? "1 image changed." : `${done} images changed.` })
  const again = failed.map(({ image }) => image)
  notify({
    text: `${done} done, ${failed.length} failed. ${reasons(failed)}`,
    failed: true,
    action: "Retry",
    act: () => changeAll(again, step, progress),
  })
}
