/** Who uses the gallery: shown in the top bar, asked in a dialog. */

import { sent } from "./api.js"
import { config } from "./config.js"
import { html, useLayoutEffect, useRef, useState } from "./htm-preact.js"
import { useObservable } from "./observable.js"
import { ask, callerHeaders, question, session, signIn, signOut } from "./session.js"

const OPEN = config.auth === "open"

/** The user's name, and a button to change it. */
export function Account() {
  const { user } = useObservable(session)
  if (!user) return html`<div class="account"><button onClick=${() => ask()}>${OPEN ? "Your name" : "Sign in"}</button></div>`
  return html`<div class="account">
    <span class="user" title=${user}>${user}</span>
    ${OPEN ? html`<button aria-label="Change your name" onClick=${() => ask()}>Change</button>` : html`<button onClick=${signOut}>Sign out</button>`}
  </div>`
}

/** The dialog that asks. */
export function SignIn() {
  const asked = useObservable(question)
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null))
  const [error, setError] = useState("")
  const [busy, setBusy] = useState(false)

  useLayoutEffect(() => {
    setError("")
    if (asked) dialog.current?.showModal()
    else dialog.current?.close()
  }, [asked])

  /** @param {() => Promise<unknown>} work */
  async function attempt(work) {
    setBusy(true)
    setError("")
    await work().catch((failed) => setError(failed.message))
    setBusy(false)
  }

  /** @param {SubmitEvent} event */
  function submit(event) {
    event.preventDefault()
    const text = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("who")).trim()
    attempt(async () => {
      if (!text) throw new Error(OPEN ? "Enter a name." : "Enter a token.")
      const entered = OPEN ? { user: text, token: "" } : { user: subject(text), token: text }
      await check(entered)
      signIn(entered)
      question.value?.answer(true)
    })
  }

  return html`<dialog ref=${dialog} aria-labelledby="sign-in" onClose=${() => question.value?.answer(false)}>
    ${
      asked &&
      html`<h2 id="sign-in">${OPEN ? "Who are you?" : "Sign in"}</h2>
      ${asked.sentence && html`<p>${asked.sentence}</p>`}
      ${config.issuer && html`<p><button class="primary" disabled=${busy} onClick=${() => attempt(begin)}>Sign in with ${new URL(config.issuer).host}</button></p>`}
      <form onSubmit=${submit}>
        ${
          OPEN
            ? html`<label>Name<input name="who" required autocomplete="username" value=${session.value.user} /></label>
              <p class="quiet">Your uploads belong to this name. This service does not check names.</p>`
            : html`<label>Bearer token<textarea name="who" required rows="4" spellcheck=${false} autocomplete="off"></textarea></label>
              <p class="quiet">The token is kept until you close this tab.</p>`
        }
        <p role="alert" class="error">${error}</p>
        <p class="buttons">
          <button type="button" onClick=${() => dialog.current?.close()}>Cancel</button>
          <button class=${config.issuer ? "" : "primary"} disabled=${busy}>${OPEN ? "Save" : "Use this token"}</button>
        </p>
      </form>`
    }
  </dialog>`
}

/** Ask the service whether it accepts a user. @param {import("./session.js").Session} entered @throws {import("./api.js").ApiError} */
export async function check(entered) {
  await sent("GET", "images", { query: { limit: 1 }, headers: callerHeaders(entered) })
}

/** Return the subject of a token, for display: the service verifies the token. @param {string} token */
export function subject(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")
    const bytes = Uint8Array.from(atob(payload), (each) => each.charCodeAt(0))
    return String(JSON.parse(new TextDecoder().decode(bytes)).sub)
  } catch {
    throw new Error("This is not a JSON Web Token (JWT).")
  }
}

async function begin() {
  const { begin } = await import("./oidc.js")
  await begin()
}
