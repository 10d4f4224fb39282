/** Parts of the page that are loaded when they are drawn for the first time. */

import { html, useEffect, useState } from "./htm-preact.js"
import { notify } from "./notices.js"

/** Return a component whose code is loaded later. @param {() => Promise<unknown>} load */
export function later(load) {
  /** @type {unknown} */
  let Loaded
  return () => {
    const [, redraw] = useState({})
    useEffect(() => {
      if (Loaded) return
      load().then(
        (component) => {
          Loaded = component
          redraw({})
        },
        () => notify({ text: "A part of the page cannot be loaded. Reload the page.", failed: true }),
      )
    }, [])
    return Loaded ? html`<${Loaded} />` : null
  }
}
