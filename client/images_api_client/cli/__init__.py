"""The command line `images`: a module of this package has the functions of some commands, and app.py registers them.

What is slow to import, such as rich and the client itself, is imported where it is used.
"""

import io
import sys


def main() -> None:
    """Run the command line."""
    from images_api_client.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a title or a file name may have characters that a terminal has not
    app(prog_name="images")
