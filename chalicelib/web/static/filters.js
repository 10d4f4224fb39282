/** What the list is filtered and sorted by. All of it is in the address. */

import { address, isFiltered, link, navigate, UNFILTERED } from "./address.js"
import { numberText } from "./format.js"
import { html, useEffect, useMemo, useRef, useState } from "./htm-preact.js"
import { listing } from "./listing.js"
import { observable, useObservable } from "./observable.js"
import { session } from "./session.js"
import { readTags } from "./tags.js"

/** @typedef {import("./address.js").Address} Address */

const TYPING_MS = 300
const WIDE = matchMedia("(min-width: 60rem)")
const TAGS_READ = 200
const TAGS_SHOWN = 24

/** @type {[string, string][]} */
const VISIBILITIES = [
  ["", "Public and private"],
  ["public", "Public"],
  ["private", "Private"],
]
/** @type {[string, string][]} */
const TYPES = [
  ["", "All types"],
  ...["JPEG", "PNG", "WebP", "GIF", "AVIF", "HEIC", "TIFF", "BMP"].map(
    (name) => /** @type {[string, string]} */ ([`image/${name.toLowerCase()}`, name]),
  ),
]
/** @type {[string, string][]} */
const ORDERS = [
  ["taken_at desc", "Taken, newest first"],
  ["taken_at asc", "Taken, oldest first"],
  ["created_at desc", "Uploaded, newest first"],
  ["created_at asc", "Uploaded, oldest first"],
  ["updated_at desc", "Changed, newest first"],
  ["updated_at asc", "Changed, oldest first"],
]

/** The last word that is being typed, for which tags are suggested. */
const typed = observable("")

/** The search field. */
export function Search() {
  const field = useTyped("q")
  /** @param {Event} event */
  const input = (event) => {
    typed.set(/** @type {HTMLInputElement} */ (event.target).value.split(/\s+/).at(-1) ?? "")
    field.onInput(event)
  }
  return html`<form class="search" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
    <input type="search" aria-label="Search" placeholder="Search titles, descriptions, files and tags" ...${field} onInput=${input} />
  </form>`
}

/** Everything that narrows or sorts the list, below the top bar. */
export function Filters() {
  const shown = useObservable(address)
  const { user } = useObservable(session)
  const [wide, setWide] = useState(WIDE.matches)
  useEffect(() => {
    const follow = () => setWide(WIDE.matches)
    WIDE.addEventListener("change", follow)
    return () => WIDE.removeEventListener("change", follow)
  }, [])
  const owner = useTyped("user_id")
  const period = shown.sort === "taken_at" ? "Taken" : "Uploaded"
  const [sort, order] = [shown.sort, shown.order]

  const form = html`<div class="fields">
    <${Day} name="from" label=${`${period} from`} />
    <${Day} name="to" label=${`${period} until`} />
    <label>Owner<input name="user_id" autocomplete="off" ...${owner} /></label>
    ${user && html`<label class="tick"><input type="checkbox" checked=${shown.user_id === user} onChange=${() => navigate({ user_id: shown.user_id === user ? "" : user })} />Only mine</label>`}
    <${Choice} label="Visibility" value=${shown.visibility} options=${VISIBILITIES} choose=${(/** @type {string} */ visibility) => navigate({ visibility })} />
    <${Choice} label="Type" value=${shown.content_type} options=${TYPES} choose=${(/** @type {string} */ content_type) => navigate({ content_type })} />
    <${Choice} label="Sort by" value=${`${sort} ${order}`} options=${ORDERS} choose=${(/** @type {string} */ chosen) => navigate({ sort: chosen.split(" ")[0], order: chosen.split(" ")[1] })} />
  </div>`
  return html`<section class="filters" aria-label="Filters">
    ${wide ? form : html`<details><summary>Filter and sort</summary>${form}</details>`}
    <${Chips} />
  </section>`
}

/** A link that takes all filters away, and keeps the order. */
export function ClearFilters() {
  /** @param {MouseEvent} event */
  function clear(event) {
    event.preventDefault()
    navigate(UNFILTERED)
  }
  return html`<a class="clear" href=${link({ ...useObservable(address), ...UNFILTERED })} onClick=${clear}>Clear the filters</a>`
}

/** The filters in use, then the tags that most images have or that begin with what is being typed. */
function Chips() {
  const shown = useObservable(address)
  const suggested = useTags().filter(({ tag }) => !shown.tag.includes(tag))
  return html`<div class="chips" role="group" aria-label="Filters in use and tags">
    ${inUse(shown).map(({ text, without }) => html`<button key=${text} class="chip used" aria-label=${`${text}, remove`} onClick=${() => navigate(without)}>${text} ×</button>`)}
    ${suggested.map(({ tag, count }) => html`<button key=${`#${tag}`} class="chip" onClick=${() => addTag(tag)}>${tag} <span class="quiet">${numberText(count)}</span></button>`)}
    ${isFiltered(shown) && html`<${ClearFilters} />`}
  </div>`
}

/** Filter by a tag, in place of the beginning of it that was typed. @param {string} tag */
function addTag(tag) {
  const word = typed.value
  typed.set("")
  const { q, tag: tags } = address.value
  navigate({
    tag: [...tags, tag],
    q: word && tag.toLowerCase().startsWith(word.toLowerCase()) && q.endsWith(word) ? q.slice(0, -word.length).trim() : q,
  })
}

/** Return the filters in use, each with what the address is without it. The search field shows the words. @param {Address} shown */
function inUse(shown) {
  const one = (/** @type {keyof Address} */ name, /** @type {string} */ text) => (shown[name] ? [{ text, without: { [name]: "" } }] : [])
  return [
    ...shown.tag.map((tag) => ({ text: `Tag: ${tag}`, without: { tag: shown.tag.filter((other) => other !== tag) } })),
    ...one("from", `From ${shown.from}`),
    ...one("to", `Until ${shown.to}`),
    ...one("user_id", `Owner: ${shown.user_id}`),
    ...one("visibility", shown.visibility === "private" ? "Private" : "Public"),
    ...one("content_type", TYPES.find(([type]) => type === shown.content_type)?.[1] ?? shown.content_type),
  ]
}

/** Return what the page shows, as its title. @param {Address} shown */
export function titleOf(shown) {
  return [...(shown.q ? [`“${shown.q}”`] : []), ...inUse(shown).map(({ text }) => text), "Images"].join(" · ")
}

/** @param {{name: "from" | "to", label: string}} properties */
function Day({ name, label }) {
  /** @param {Event} event */
  function change(event) {
    const { value } = /** @type {HTMLInputElement} */ (event.target)
    if (!value || value >= "1000") navigate({ [name]: value })
  }
  return html`<label>${label}<input type="date" name=${name} max="9999-12-31" value=${useObservable(address)[name]} onChange=${change} /></label>`
}

/** @param {{label: string, value: string, options: [string, string][], choose: (value: string) => void}} properties */
function Choice({ label, value, options, choose }) {
  const all = options.some(([each]) => each === value) ? options : [...options, [value, value]]
  return html`<label>${label}
    <select onChange=${(/** @type {Event} */ event) => choose(/** @type {HTMLSelectElement} */ (event.target).value)}>
      ${all.map(([each, text]) => html`<option value=${each} selected=${each === value}>${text}</option>`)}
    </select>
  </label>`
}

/**
 * Return the properties of a text field for a filter. The list follows the typing; the browser's history gets one entry
 * for a finished change.
 * @param {"q" | "user_id"} name
 */
function useTyped(name) {
  const current = useObservable(address)[name]
  const [text, setText] = useState(current)
  const state = useRef({ sent: current, timer: 0, hasEntry: false })
  useEffect(() => {
    if (current === state.current.sent) return
    clearTimeout(state.current.timer)
    state.current = { sent: current, timer: 0, hasEntry: false }
    setText(current)
  })

  /** @param {string} value */
  function send(value) {
    const { sent, hasEntry } = state.current
    if (value.trim() === sent) return
    state.current.sent = value.trim()
    state.current.hasEntry = true
    navigate({ [name]: value.trim() }, { replace: hasEntry })
  }
  return {
    value: text,
    onInput(/** @type {Event} */ event) {
      const { value } = /** @type {HTMLInputElement} */ (event.target)
      setText(value)
      clearTimeout(state.current.timer)
      state.current.timer = setTimeout(() => send(value), TYPING_MS)
    },
    onChange(/** @type {Event} */ event) {
      clearTimeout(state.current.timer)
      send(/** @type {HTMLInputElement} */ (event.target).value)
      state.current.hasEntry = false
    },
  }
}

/** Return the tags to suggest, those of most images first. */
function useTags() {
  const { user_id } = useObservable(address)
  const { user } = useObservable(session)
  const word = useObservable(typed).toLowerCase()
  const [all, setAll] = useState({ tags: /** @type {import("./tags.js").Counted[]} */ ([]), complete: false })
  const [found, setFound] = useState({ word: "", tags: all.tags })
  const fresh = useFreshTags(all)
  const read = (milliseconds = 0) => readTags({ user_id, limit: TAGS_READ }, (tags, complete) => setAll({ tags, complete }), milliseconds)
  useEffect(() => read(), [user_id, user])
  useEffect(() => (fresh ? read(TYPING_MS) : undefined), [fresh])
  useEffect(() => {
    if (word && !all.complete) return readTags({ user_id, prefix: word, limit: TAGS_READ }, (tags) => setFound({ word, tags }), TYPING_MS)
  }, [word, all])
  const tags = !all.complete && found.word === word && word ? found.tags : all.tags.filter(({ tag }) => tag.toLowerCase().startsWith(word))
  return [...tags].sort((one, other) => other.count - one.count).slice(0, TAGS_SHOWN)
}

/**
 * Return the tags of listed images that were not in use when the tags were read.
 * @param {{tags: {tag: string}[], complete: boolean}} read
 */
function useFreshTags(read) {
  const { images } = useObservable(listing)
  return useMemo(() => {
    if (!read.complete) return ""
    const known = new Set(read.tags.map(({ tag }) => tag))
    const listed = new Set(images.flatMap((image) => image.tags.map((tag) => tag.toLowerCase())))
    return [...listed].filter((tag) => !known.has(tag)).join()
  }, [read, images])
}
