/**
 * Changing an image in place. What the user has entered is kept when another picture is shown. If somebody else changed
 * the image meanwhile, the user decides field by field.
 */

import { address, navigate } from "./address.js"
import { isConflict, read, save } from "./changes.js"
import { nameOf, timeText } from "./format.js"
import { html, useEffect, useRef } from "./htm-preact.js"
import { renew } from "./listing.js"
import { notify } from "./notices.js"
import { observable, useObservable } from "./observable.js"
import { TagField } from "./tagfield.js"
import { hasTag, tagsIn, withTags } from "./tags.js"

/** @typedef {import("./listing.js").Image} Image */
/** @typedef {Pick<Image, "title" | "description" | "tags" | "visibility">} Fields */

/**
 * @typedef {object} Draft
 * @property {Image} base what the changes are made to
 * @property {Fields} fields what the user has entered
 * @property {string} typed a tag that is not complete yet
 * @property {boolean} saving
 * @property {string} error
 * @property {Conflict | null} conflict
 */

/**
 * @typedef {object} Conflict
 * @property {Fields} yours what the user had entered when the conflict was found
 * @property {(keyof Fields)[]} names the fields that somebody else has changed
 * @property {Partial<Record<keyof Fields, Choice>>} choices
 * @property {Partial<Record<keyof Fields, string[]>>} both yours and theirs, merged
 */

/** @typedef {"theirs" | "yours" | "both"} Choice */

const NAMES = /** @type {const} */ (["title", "description", "tags", "visibility"])
const LABELS = { title: "Title", description: "Description", tags: "Tags", visibility: "Visibility" }
const CHOICES = { theirs: "Theirs", yours: "Yours", both: "Both" }

/** What is being changed, by the ids of the images. */
export const drafts = observable(/** @type {Readonly<Record<string, Draft>>} */ ({}))

let open = address.value.image
address.subscribe(({ image }) => {
  if (image !== open) leave(open)
  open = image
})

addEventListener("beforeunload", (event) => {
  if (Object.values(drafts.value).some(isChanged)) event.preventDefault()
})

/** Begin to change an image. @param {Image} image */
export function edit(image) {
  change(image.image_id, { base: image, fields: fieldsOf(image), typed: "", saving: false, error: "", conflict: null })
}

/** The form with the fields of an image. @param {{id: string}} props */
export function EditForm({ id }) {
  const draft = useObservable(drafts)[id]
  const form = useRef(/** @type {HTMLFormElement | null} */ (null))
  useEffect(() => {
    const first = /** @type {HTMLElement | null | undefined} */ (form.current?.querySelector(draft?.conflict ? ".conflict input" : "input"))
    first?.focus()
  }, [draft?.conflict?.names])
  if (!draft) return null
  const { fields, typed, saving, error, conflict } = draft
  const set = (/** @type {Partial<Fields>} */ changes) => change(id, { fields: { ...drafts.value[id].fields, ...changes } })
  const entered = (/** @type {keyof Fields} */ name) => (/** @type {any} */ event) => set({ [name]: event.target.value })
  return html`<form
    class="edit" ref=${form} aria-label=${`Edit ${nameOf(draft.base)}`}
    onSubmit=${(/** @type {Event} */ event) => (event.preventDefault(), submit(id))}
  >
    ${conflict && html`<${ConflictChoices} id=${id} draft=${draft} conflict=${conflict} />`}
    <label>Title <input value=${fields.title} onInput=${entered("title")} /></label>
    <label>Description <textarea rows="4" value=${fields.description} onInput=${entered("description")} /></label>
    <${TagField}
      tags=${fields.tags} typed=${typed} owner=${draft.base.user_id}
      onChange=${(/** @type {string[]} */ tags, /** @type {string} */ typed) => change(id, { fields: { ...drafts.value[id].fields, tags }, typed })}
    />
    <label>Visibility <select value=${fields.visibility} onChange=${entered("visibility")}>
      <option value="public">Public</option><option value="private">Private</option>
    </select></label>
    ${error && html`<p class="error" role="alert">${error}</p>`}
    <div class="actions">
      <button class="primary" disabled=${saving}>${saving ? "Saving…" : "Save"}</button>
      <button type="button" disabled=${saving} onClick=${() => discard(id)}>${isChanged(draft) ? "Discard changes" : "Cancel"}</button>
    </div>
  </form>`
}

/** What somebody else has changed, beside what the user has entered. @param {{id: string, draft: Draft, conflict: Conflict}} props */
function ConflictChoices({ id, draft, conflict }) {
  const { base } = draft
  const values = (/** @type {keyof Fields} */ name) => ({ theirs: base[name], yours: conflict.yours[name], both: conflict.both[name] })
  const choose = (/** @type {keyof Fields} */ name, /** @type {Choice} */ choice) => {
    const { fields, conflict } = drafts.value[id]
    if (!conflict) return
    const choices = { ...conflict.choices, [name]: choice }
    change(id, { fields: { ...fields, [name]: values(name)[choice] }, conflict: { ...conflict, choices } })
  }
  const chooseAll = (/** @type {Choice} */ choice) => conflict.names.forEach((name) => choose(name, choice))
  return html`<section class="conflict" aria-label="Changes by somebody else">
    <p role="alert">Somebody else changed this image at ${timeText(base.updated_at)}. Choose what to keep, then save again.</p>
    ${conflict.names.map((name) => {
      const { both, ...two } = values(name)
      return html`<fieldset key=${name}>
        <legend>${LABELS[name]}</legend>
        ${Object.entries(both ? { ...two, both } : two).map(
          ([choice, value]) => html`<label key=${choice}>
            <input
              type="radio" name=${`choose-${name}`} checked=${conflict.choices[name] === choice}
              onChange=${() => choose(name, /** @type {Choice} */ (choice))}
            />
            <span><b>${CHOICES[/** @type {Choice} */ (choice)]}:</b> ${text(value)}</span>
          </label>`,
        )}
      </fieldset>`
    })}
    <div class="actions">
      <button type="button" onClick=${() => chooseAll("yours")}>Keep all of yours</button>
      <button type="button" onClick=${() => chooseAll("theirs")}>Take all of theirs</button>
    </div>
  </section>`
}

/** Store what the user has entered. @param {string} id */
async function submit(id) {
  const { base, fields: entered, typed } = drafts.value[id]
  const fields = { ...entered, tags: withTags(entered.tags, tagsIn(typed)) }
  const names = changedNames(base, fields)
  if (!names.length) return discard(id)
  change(id, { fields, typed: "", saving: true, error: "" })
  try {
    await save(base, Object.fromEntries(names.map((name) => [name, fields[name]])))
    discard(id)
    notify({ text: "Saved." })
  } catch (error) {
    if (isConflict(error)) await meet(id)
    else change(id, { saving: false, error: /** @type {Error} */ (error).message })
  }
}

/** Put what somebody else has stored beside what the user has entered. @param {string} id */
async function meet(id) {
  const { base, fields: yours } = drafts.value[id]
  let theirs
  try {
    theirs = await read(id)
  } catch (error) {
    return change(id, { saving: false, error: /** @type {Error} */ (error).message })
  }
  renew(theirs)
  const names = changedNames(base, theirs).filter((name) => !same(theirs[name], yours[name]))
  const mine = changedNames(base, yours)
  /** @type {Conflict} */
  const conflict = { yours, names, choices: {}, both: {} }
  /** @type {any} */
  const fields = { ...fieldsOf(theirs), ...Object.fromEntries(mine.map((name) => [name, yours[name]])) }
  for (const name of names) conflict.choices[name] = mine.includes(name) ? "yours" : "theirs"
  if (names.includes("tags") && mine.includes("tags")) {
    fields.tags = conflict.both.tags = merged(base.tags, yours.tags, theirs.tags)
    conflict.choices.tags = "both"
  }
  change(id, { base: theirs, fields, saving: false, conflict: names.length ? conflict : null })
  // Nothing to decide: what the other one has changed is what the user wants, too.
  if (!names.length) await submit(id)
}

/** Return tags with what both have added, and without what either has taken out. @param {readonly string[]} base @param {readonly string[]} yours @param {readonly string[]} theirs */
function merged(base, yours, theirs) {
  const kept = theirs.filter((tag) => hasTag(yours, tag) || !hasTag(base, tag))
  return [...kept, ...yours.filter((tag) => !hasTag(base, tag) && !hasTag(kept, tag))]
}

/** Remind of changes that are not stored. @param {string} id */
function leave(id) {
  const draft = drafts.value[id]
  if (!draft) return
  if (!isChanged(draft)) return discard(id)
  if (draft.saving) return
  notify({
    text: `Your changes to “${nameOf(draft.base)}” are not saved.`,
    action: "Continue editing",
    act: () => navigate({ image: id }, { replace: Boolean(address.value.image) }),
  })
}

/** @param {string} id */
function discard(id) {
  const { [id]: _, ...others } = drafts.value
  drafts.set(others)
}

/** @param {string} id @param {Partial<Draft>} changes */
function change(id, changes) {
  drafts.set({ ...drafts.value, [id]: { ...drafts.value[id], ...changes } })
}

/** @param {Draft} draft */
function isChanged({ base, fields, typed }) {
  return typed.trim() !== "" || changedNames(base, fields).length > 0
}

/** @param {Image} image @returns {Fields} */
function fieldsOf({ title, description, tags, visibility }) {
  return { title, description, tags, visibility }
}

/** @param {Fields} before @param {Fields} after @returns {(keyof Fields)[]} */
function changedNames(before, after) {
  return NAMES.filter((name) => !same(before[name], after[name]))
}

/** @param {unknown} one @param {unknown} other */
function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** @param {any} value */
function text(value) {
  return [value].flat().join(", ") || "(empty)"
}
