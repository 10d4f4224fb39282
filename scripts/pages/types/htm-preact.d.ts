export { html } from "htm/preact"
export * from "preact"
export * from "preact/hooks"
