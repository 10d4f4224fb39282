"""The name that a browser saves an image under."""

import re
import unicodedata

from chalicelib.model import EXTENSIONS, Image

# Other extensions in use for a content type; EXTENSIONS has the usual one.
_ALIASES = {
    "image/jpeg": {".jpeg", ".jpe", ".jfif"},
    "image/tiff": {".tif"},
    "image/bmp": {".dib"},
    "image/heic": {".heif", ".hif"},
    "image/heif": {".heic", ".hif"},
}
_OF_PICTURES = {*EXTENSIONS.values(), *(alias for aliases in _ALIASES.values() for alias in aliases)}

# Names that Windows reserves for devices, whatever follows a dot (Win32, "Naming Files, Paths, and Namespaces").
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])\s*(\..*)?", re.IGNORECASE)

_MAX_BYTES = 255  # of a file name in UTF-8: NAME_MAX on Linux, and less than NTFS and APFS allow

# The categories of characters that control how others are shown: they can make `gnp.exe` look like `exe.png`.
_REMOVED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # format characters that Persian, Indic scripts and emoji need


def saved_as(image: Image) -> str:
    """Return the name that a download saves an image under: its filename, made safe, or else its id.

    The name ends in an extension of the content type, which was detected from the bytes. The extension of another
    picture is replaced; any other text after the last dot stays, and the right extension follows.
    """
    # A leading dot hides a file. Windows drops dots and spaces at the end of a name.
    name = "".join(map(_safe, image.filename)).rstrip(" .")
    stem, dot, last = name.rpartition(".")
    extension = dot + last
    usual = EXTENSIONS.get(image.content_type, "")
    if extension.lower() not in _OF_PICTURES:
        stem, extension = name, usual
    elif extension.lower() not in {usual, *_ALIASES.get(image.content_type, ())}:
        extension = usual
    # Cut here, so that the extension stays.
    stem = stem.encode()[: _MAX_BYTES - len(extension)].decode(errors="ignore").strip(" .")
    if _RESERVED.fullmatch(stem):
        stem = f"_{stem}"
    return (stem or image.image_id) + extension


def _safe(character: str) -> str:
    if character in "/\\":
        return "_"
    return "" if unicodedata.category(character) in _REMOVED and character not in _JOINERS else character
