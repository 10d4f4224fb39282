"""What every command on a developer's machine shares: the repository, its stages, its resources and its errors.

Chalice deploys only app.py and chalicelib/. This package may import chalicelib, but not deploy or dev.
"""

from pathlib import Path

PROJECT = Path(__file__).parent.parent  # the root of the repository


class CannotRun(Exception):
    """A command cannot start or cannot continue. The message is one line for the person who ran it."""
