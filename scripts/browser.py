"""Install the browser of the tests of the pages, where that is possible: python -m scripts.browser.

`make test` and `make test-deployed` run this. As root on Debian, apt installs Chromium and a font. On other machines
without a browser, it prints why the tests of the pages are skipped.
"""

import fcntl
import os
import shutil
import subprocess

from dev import install
from project.browser import chromium
from project.command_line import one_line_errors

_PACKAGES = ("chromium", "fonts-dejavu-core")  # without a font, Chromium shows no text
_APT = ("apt-get", "--quiet", "--yes", "-o", "DPkg::Lock::Timeout=300")


@one_line_errors()
def main() -> None:
    """Install Chromium, or print one line if that is not possible."""
    install.cache().mkdir(parents=True, exist_ok=True)
    with (install.cache() / "chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process can be installing it
        if chromium():
            return
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            reason = "install the package chromium to run them"
        else:
            print("Installing Chromium for the tests of the pages ...", flush=True)
            reason = _install()
        if reason:
            print(f"The tests of the pages will be skipped, because there is no Chromium: {reason}.", flush=True)


def _install() -> str:
    """Install the packages. Returns why that failed, or an empty text."""
    for command in (("update",), ("install", "--no-install-recommends", *_PACKAGES)):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        ended = subprocess.run([*_APT, *command], env=environment, capture_output=True, text=True, check=False)
        if ended.returncode:
            return (ended.stderr.strip() or "apt-get failed").splitlines()[-1].rstrip(".")
    return "" if chromium() else "the package has no program of this name"


if __name__ == "__main__":
    main()
