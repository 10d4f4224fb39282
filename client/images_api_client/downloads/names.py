"""The names of downloaded files: the names of the images, made safe for every file system."""

import re
import unicodedata
from pathlib import Path

from pathvalidate import sanitize_filename

from images_api_client import formats
from images_api_client.model import Image

_PART = ".part"

# The bytes of a name in UTF-8 (NAME_MAX of Linux, and less than NTFS and APFS allow), without a number and `.part`.
_MAX_BYTES = 255 - len(" (1000000)") - len(_PART)

# Categories of characters that control how others are shown: they can make `gnp.exe` look like `exe.png`.
_REMOVED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # format characters that Persian, Indic scripts and emoji need


def name(image: Image, extension: str) -> str:
    """Return the name of an image's file: its filename or else its title or else its id, with the right extension.

    The extension of another picture is replaced. Any other text after the last dot stays, and the extension follows.
    """
    given = next(filter(None, map(_safe, (image.filename, image.title))), image.image_id)
    stem, suffix = Path(given).stem, Path(given).suffix
    if not formats.is_extension(suffix):
        stem, suffix = given, extension
    elif not formats.is_same_extension(suffix, extension):
        suffix = extension
    stem = stem.encode()[: _MAX_BYTES - len(suffix)].decode(errors="ignore").rstrip(" .")
    return sanitize_filename((stem or image.image_id) + suffix, "_", "universal")


def numbered(name: str, number: int) -> str:
    """Return the name of the file that is the `number`-th of its name: `name (2).jpg`."""
    path = Path(name)
    return f"{path.stem} ({number}){path.suffix}" if number > 1 else name


def key(name: str) -> str:
    """Return what names have in common that some file systems take for the same name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def part(target: Path) -> Path:
    """Return the file that has the beginning of a file that is not complete yet."""
    return target.with_name(target.name + _PART)


def _safe(text: str) -> str:
    """Return a text without what a name cannot have. A leading dot hides a file, so it is removed, too."""
    shown = "".join(each for each in text if unicodedata.category(each) not in _REMOVED or each in _JOINERS)
    name = sanitize_filename(unicodedata.normalize("NFC", shown), "_", "universal", max_len=None)
    return re.sub(r"^[\s.]+|[\s.]+$", "", name)
