export { default } from "photoswipe"
