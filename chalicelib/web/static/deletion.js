/** Deletion with a time to think: an image leaves the list at once, and the service some seconds later. */

import { ApiError, request, sent } from "./api.js"
import { forEach, ifMatch, isConflict, read, reasons } from "./changes.js"
import { nameOf } from "./format.js"
import { isTyping } from "./keyboard.js"
import { renew, take } from "./listing.js"
import { notify } from "./notices.js"
import { callerHeaders, session } from "./session.js"

/** @typedef {import("./listing.js").Image} Image */

const UNDO_MS = 8_000

/** What is undone first is last. @type {{send: (keepalive?: boolean) => void, undo: () => void}[]} */
const pending = []

addEventListener("pagehide", () => {
  for (const deletion of [...pending]) deletion.send(true)
})

addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && !isTyping(event) && pending.length) {
    event.preventDefault()
    pending[pending.length - 1].undo()
  }
})

/** Delete images after some seconds, unless the user takes it back. @param {readonly Image[]} images */
export function remove(images) {
  const putBack = take(images)
  const caller = session.value
  const end = () => {
    clearTimeout(timer)
    close()
    pending.splice(pending.indexOf(deletion), 1)
  }
  const deletion = {
    undo: () => {
      end()
      putBack()
    },
    send: (keepalive = false) => {
      end()
      send(images, caller, putBack, keepalive)
    },
  }
  const timer = setTimeout(deletion.send, UNDO_MS)
  const what = images.length === 1 ? `“${nameOf(images[0])}”` : `${images.length} images`
  const close = notify({ text: `Deleted ${what}.`, action: "Undo", act: deletion.undo }, UNDO_MS)
  pending.push(deletion)
}

/**
 * @param {readonly Image[]} images @param {import("./session.js").Session} caller who deletes them
 * @param {(images: Image[]) => void} putBack @param {boolean} keepalive
 */
async function send(images, caller, putBack, keepalive) {
  // Somebody else may have signed in meanwhile.
  const [ask, headers] = caller.user === session.value.user ? [request, {}] : [sent, callerHeaders(caller)]
  const one = (/** @type {Image} */ image) =>
    ask("DELETE", `images/${image.image_id}`, { headers: { ...headers, ...ifMatch(image) }, keepalive }).catch((error) => {
      if (!(error instanceof ApiError && [404, 410].includes(error.status))) throw error
    })
  // A page that is closed has no later: all requests start now.
  if (keepalive) return void images.forEach((image) => one(image).catch(() => {}))
  const failed = await forEach(images, one)
  if (!failed.length) return
  putBack(failed.map(({ image }) => image))
  const changed = failed.filter(({ error }) => isConflict(error))
  const current = await Promise.all(changed.map(({ image }) => read(image.image_id).catch(() => image)))
  current.forEach(renew)
  const others = failed.filter(({ error }) => !isConflict(error))
  if (changed.length) {
    const [first] = current
    const text =
      current.length === 1
        ? `“${nameOf(first)}” was not deleted: it has changed meanwhile.`
        : `${current.length} images were not deleted: they have changed meanwhile.`
    notify({ text, failed: true, action: "Delete anyway", act: () => remove(current) })
  }
  if (others.length) {
    const again = others.map(({ image }) => image)
    const text =
      again.length === 1 ? `“${nameOf(again[0])}” was not deleted.` : `${images.length - failed.length} deleted, ${again.length} failed.`
    notify({ text: `${text} ${reasons(others)}`, failed: true, action: "Retry", act: () => remove(again) })
  }
}
