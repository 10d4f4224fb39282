"""The command line `images`."""


def main() -> None:
    """Run the command line."""
