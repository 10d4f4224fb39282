"""The browser that shows the service's own pages to tests and measurements."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from project import CannotRun

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# For a browser that may run as root in a container and contacts only this machine.
_OPTIONS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")


def chromium() -> str | None:
    """Return the path of Chromium or Chrome on this machine, or None if it has neither."""
    return shutil.which("chromium") or shutil.which("google-chrome")


@contextmanager
def launched() -> Iterator["Browser"]:
    """Run a browser for the length of the block. Raises CannotRun: there is none on this machine."""
    # Imported here: what runs the service does not install Playwright.
    from playwright.sync_api import sync_playwright

    executable = chromium()
    if executable is None:
        raise CannotRun("There is no Chromium on this machine: install the package chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_OPTIONS)
        yield browser
        browser.close()
