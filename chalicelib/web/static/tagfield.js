/** A field for tags: those that are there can be taken out, others are typed, with suggestions of tags in use. */

import { html, useEffect, useRef, useState } from "./htm-preact.js"
import { readTags, tagsIn, withoutTag, withTags } from "./tags.js"

const SUGGESTIONS = 12
const PAUSE_MS = 150

/**
 * An input with suggestions. At `onEnter` the value is complete: a tag, or several with commas.
 * @param {{label: string, owner: string, id: string, value: string, onInput: (text: string) => void, onEnter: () => void}} props
 */
export function TagInput({ label, owner, id, value, onInput, onEnter }) {
  const known = useSuggestions(value, owner)
  return html`<input
      aria-label=${label} list=${`${id}-known`} value=${value} autocomplete="off" placeholder=${label}
      onInput=${(/** @type {any} */ event) => onInput(event.target.value)}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
        if ((event.key === "Enter" || event.key === ",") && value.trim()) {
          event.preventDefault()
          onEnter()
        }
      }}
    /><datalist id=${`${id}-known`}>${known.map((tag) => html`<option value=${tag} />`)}</datalist>`
}

/**
 * The tags of an image, to change. `typed` is a tag, or several, not entered yet.
 * @param {{tags: readonly string[], typed: string, owner: string, onChange: (tags: string[], typed: string) => void}} props
 */
export function TagField({ tags, typed, owner, onChange }) {
  const field = useRef(/** @type {HTMLElement | null} */ (null))
  return html`<fieldset class="tags-field" ref=${field}>
    <legend>Tags</legend>
    ${tags.map(
      (tag) => html`<button
        type="button" class="chip" key=${tag} aria-label=${`Remove the tag ${tag}`}
        onClick=${() => {
          onChange(withoutTag(tags, tag), typed)
          field.current?.querySelector("input")?.focus()
        }}
      >${tag} <span aria-hidden="true">×</span></button>`,
    )}
    <${TagInput}
      label="Add a tag" owner=${owner} id="tags" value=${typed}
      onInput=${(/** @type {string} */ text) => onChange([...tags], text)} onEnter=${() => onChange(withTags(tags, tagsIn(typed)), "")}
    />
  </fieldset>`
}

/** @param {string} text @param {string} owner */
function useSuggestions(text, owner) {
  const [known, setKnown] = useState(/** @type {string[]} */ ([]))
  useEffect(() => {
    const prefix = text.trim()
    if (!prefix) return setKnown([])
    return readTags({ prefix, user_id: owner, limit: SUGGESTIONS }, (tags) => setKnown(tags.map(({ tag }) => tag)), PAUSE_MS)
  }, [text, owner])
  return known
}
