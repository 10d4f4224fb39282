"""What the service has of a user: the checksums of the user's images."""

from collections.abc import Callable
from itertools import islice

from images_api_client.runs.database import Database
from images_api_client.transport import Transport

_PAGE_SIZE = 1_000

# One page of the list takes as long as this many questions for a checksum, of which four are asked at the same time.
# Measured on the embedded stack with 2,000 images: 290 ms and 54 read units for a page, 8 ms and 0.5 for a question.
FILES_PER_PAGE = 40


class Inventory:
    """The checksums of a user's images, public and private: from the user's list, and of what is added.

    They are in a temporary file, so that memory does not grow with the number of images.
    """

    def __init__(self, transport: Transport, user: str) -> None:
        self.complete = False  # whether every image of the user was read; otherwise, `ask`
        self._transport = transport
        self._user = user
        self._pages = transport.pages("/images", {"user_id": user, "limit": _PAGE_SIZE})
        self._images = Database(None, "CREATE TABLE images (checksum TEXT PRIMARY KEY, image_id TEXT) WITHOUT ROWID")

    def close(self) -> None:
        """Delete the temporary file."""
        self._images.close()

    def read(self, pages: int | None, read_page: Callable[[], None]) -> None:
        """Read the list of the user's images, newest first: at most so many pages. Calls `read_page` after each.

        Raises ServiceError, ConnectionFailed.
        """
        for page in islice(self._pages, pages):
            for image in page["images"]:
                self.add(image["checksum"], image["image_id"])
            self.complete = not page["has_more"]
            read_page()

    def find(self, checksum: str) -> str | None:
        """Return the id of an image with this checksum, as far as it was read or added.

        It is empty if a dry run has added the image.
        """
        row = self._images.row("SELECT image_id FROM images WHERE checksum = ?", checksum)
        return str(row[0]) if row else None

    def add(self, checksum: str, image_id: str) -> None:
        """Add an image."""
        self._images.change("INSERT OR IGNORE INTO images VALUES (?, ?)", checksum, image_id)

    def ask(self, checksum: str) -> str | None:
        """Return the id of an image with this checksum, as the service knows it now. May be called in any thread.

        Raises ServiceError, ConnectionFailed.
        """
        pages = self._transport.pages("/images", {"user_id": self._user, "checksum": checksum, "limit": 1})
        return next((str(image["image_id"]) for page in pages for image in page["images"]), None)
