"""What every command on a developer's machine shares: the repository, its stages, its resources and its errors.

Chalice deploys app.py and chalicelib/ alone. This package imports chalicelib, and neither deploy nor dev.
"""

from pathlib import Path

PROJECT = Path(__file__).parent.parent  # the root of the repository


class CannotRun(Exception):
    """A command cannot start or cannot continue. The message is one line for the person who ran it."""
