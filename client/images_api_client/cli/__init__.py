"""The command line `images`: a module of this package has the functions of some commands, and app.py registers them.

What is slow to import, such as rich and the client itself, is imported where it is used.
"""


def main() -> None:
    """Run the command line."""
    from images_api_client.cli.app import app

    app(prog_name="images")
