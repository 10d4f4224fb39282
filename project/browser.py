"""The browser that shows the service's own pages to tests and measurements."""

import shutil


def chromium() -> str | None:
    """Return the path of Chromium or Chrome on this machine, or None if it has neither."""
    return shutil.which("chromium") or shutil.which("google-chrome")
