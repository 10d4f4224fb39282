/** The SHA-256 of files. The browser needs a file's bytes at once for it, so one file is read at a time. */

const MAX_BYTES = 100_000_000

/** @type {Promise<unknown>} */
let previous = Promise.resolve()

/**
 * Return the SHA-256 in hexadecimal digits. Empty: the page is not in a secure context, the file is larger than 100 MB,
 * or there is not enough memory.
 * @param {File} file @returns {Promise<string>}
 * @throws {Error} the file cannot be read
 */
export function checksum(file) {
  const result = previous.then(() => hashed(file))
  previous = result.catch(() => {})
  return result
}

/** @param {File} file */
async function hashed(file) {
  try {
    await file.slice(0, 1).arrayBuffer()
  } catch {
    throw new Error("The file cannot be read. It may have been moved or changed.")
  }
  if (!crypto.subtle || file.size > MAX_BYTES) return ""
  try {
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer())
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("")
  } catch {
    return ""
  }
}
