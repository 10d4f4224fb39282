/** What the service says about itself in the page. */

/**
 * @typedef {object} Config
 * @property {"open" | "jwt"} auth how callers are identified
 * @property {number} max_form_image_bytes the largest image that the API accepts in a form; larger ones go to S3
 * @property {number} max_direct_upload_bytes the largest image
 * @property {number} max_page_size the most images in a page of a list
 * @property {string} issuer the OIDC issuer; empty: users paste a token
 * @property {string} client_id of the gallery, at the issuer
 * @property {"id" | "access"} bearer which token of the issuer is the bearer token
 */

const element = /** @type {HTMLMetaElement} */ (document.querySelector("meta[name=config]"))

/** @type {Config} */
export const config = JSON.parse(element.content)
