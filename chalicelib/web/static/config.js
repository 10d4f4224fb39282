/** What the service says about itself in the page. */

/**
 * @typedef {object} Config
 * @property {"open" | "jwt"} auth how callers are identified
 * @property {number} max_form_image_bytes the largest image that the API accepts in a form; larger ones go to S3
 * @property {number} max_direct_upload_bytes the largest image
 * @property {number} max_page_size the most images in a page of a list
 */

const element = /** @type {HTMLMetaElement} */ (document.querySelector("meta[name=config]"))

/** @type {Config} */
export const config = JSON.parse(element.content)
