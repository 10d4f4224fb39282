/** A field for tags: those that are there can be taken out, others are typed, with suggestions of tags in use. */

import { request } from "./api.js"
import { html, useEffect, useRef, useState } from "./htm-preact.js"

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

/** Return the tags in a text, which commas separate. @param {string} text */
export function tagsIn(text) {
  return text
    .split(",")
    .map((tag) => tag.trim())
    .filter(Boolean)
}

/** Return tags with more of them; case does not distinguish tags. @param {readonly string[]} tags @param {readonly string[]} added */
export function withTags(tags, added) {
  const all = [...tags]
  for (const tag of added) if (!has(all, tag)) all.push(tag)
  return all
}

/** Return tags without one. @param {readonly string[]} tags @param {string} tag */
export function withoutTag(tags, tag) {
  return tags.filter((each) => each.toLowerCase() !== tag.toLowerCase())
}

/** @param {readonly string[]} tags @param {string} tag */
export function has(tags, tag) {
  return tags.some((each) => each.toLowerCase() === tag.toLowerCase())
}

/** @param {string} text @param {string} owner */
function useSuggestions(text, owner) {
  const [known, setKnown] = useState(/** @type {string[]} */ ([]))
  useEffect(() => {
    if (!text.trim()) return setKnown([])
    const reading = new AbortController()
    const timer = setTimeout(async () => {
      try {
        const { body } = await request("GET", "tags", {
          query: { prefix: text.trim(), user_id: owner, limit: SUGGESTIONS },
          signal: reading.signal,
        })
        setKnown(body.tags.map((/** @type {{tag: string}} */ { tag }) => tag))
      } catch {
        // Without suggestions the field works as well.
      }
    }, PAUSE_MS)
    return () => {
      clearTimeout(timer)
      reading.abort()
    }
  }, [text, owner])
  return known
}
