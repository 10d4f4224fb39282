/** Files that a user gives: by drop, by paste or with a picker. Of a folder, all files in it. */

/**
 * @typedef {object} Given
 * @property {File} file
 * @property {string} folder the name of the folder that was given; empty: the file was given by itself
 */

/** What a file picker offers. Some systems know HEIC by its extension only. */
export const ACCEPTED =
  "image/jpeg,image/png,image/gif,image/webp,image/avif,image/tiff,image/bmp,image/heic,image/heif,.heic,.heif,.avif,.tif,.tiff"

export const ACCEPTED_NAMES = "JPEG, PNG, GIF, WebP, AVIF, TIFF, BMP or HEIC"

const HEADER_BYTES = 12

/** The first characters of a file's header, as a pattern, and what the file is. */
const SIGNATURES = /** @type {const} */ ([
  [/^\xff\xd8\xff/, "image/jpeg"],
  [/^\x89PNG\r\n\x1a\n/, "image/png"],
  [/^GIF8[79]a/, "image/gif"],
  [/^RIFF[^]{4}WEBP/, "image/webp"],
  [/^(II[*+]\0|MM\0[*+])/, "image/tiff"],
  [/^BM/, "image/bmp"],
  [/^[^]{4}ftypavi[fs]/, "image/avif"],
  [/^[^]{4}ftyphe(i[cxms]|v[cxms])/, "image/heic"],
  [/^[^]{4}ftypm[is]f1/, "image/heif"],
])

/** A browser gives the files of a folder in any order. */
const ORDER = new Intl.Collator(undefined, { numeric: true })

/** Return the files of a picker, those of a folder by name. @param {FileList} files @returns {Given[]} */
export function picked(files) {
  const sorted = [...files].sort((one, other) => ORDER.compare(one.webkitRelativePath, other.webkitRelativePath))
  return sorted.map((file) => ({ file, folder: file.webkitRelativePath.split("/").slice(0, -1)[0] ?? "" }))
}

/**
 * Return the files of a drop or a paste, and those in its folders. To be called in the handler of the event itself:
 * afterwards, a browser gives no more access to its files.
 * @param {DataTransfer} transfer @returns {Promise<Given[]>}
 */
export async function transferred(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file")
  const found = items.map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }))
  const given = await Promise.all(
    found.map(({ entry, file }) =>
      entry?.isDirectory ? within(/** @type {FileSystemDirectoryEntry} */ (entry), entry.name) : file ? [{ file, folder: "" }] : [],
    ),
  )
  return given.flat()
}

/** Return the content type of an image from its first bytes; empty: no accepted image, or not readable. @param {File} file */
export async function imageType(file) {
  try {
    const bytes = new Uint8Array(await file.slice(0, HEADER_BYTES).arrayBuffer())
    const header = String.fromCharCode(...bytes)
    return SIGNATURES.find(([pattern]) => pattern.test(header))?.[1] ?? ""
  } catch {
    return ""
  }
}

/** @param {FileSystemDirectoryEntry} directory @param {string} folder @returns {Promise<Given[]>} */
async function within(directory, folder) {
  const given = []
  for (const entry of await entriesOf(directory)) {
    if (entry.isDirectory) given.push(...(await within(entry, folder)))
    else {
      const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)))
      if (file) given.push({ file, folder })
    }
  }
  return given
}

/** Return what is in a folder, by name. @param {FileSystemDirectoryEntry} directory */
async function entriesOf(directory) {
  const reader = directory.createReader()
  /** @type {any[]} */
  const all = []
  // A reader returns some entries at a time, and none at the end.
  for (;;) {
    /** @type {any[]} */
    const entries = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])))
    if (!entries.length) return all.sort((one, other) => ORDER.compare(one.name, other.name))
    all.push(...entries)
  }
}
