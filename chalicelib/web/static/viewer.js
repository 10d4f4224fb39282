/** The picture that is open. What shows it is loaded with the first picture. */

import { address } from "./address.js"
import { html, useRef } from "./htm-preact.js"
import { later } from "./later.js"
import { useObservable } from "./observable.js"

const Stage = later(() => import("./stage.js").then((module) => module.Stage))

/** The viewer: nothing until an image is open. */
export function Viewer() {
  const used = useRef(false)
  if (useObservable(address).image) used.current = true
  return used.current && html`<${Stage} />`
}
