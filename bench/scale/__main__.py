"""Keep the figures in docs/scale.md equal to what the load takes on AWS.

`make scale` runs it in the root of the repository: python -m bench.scale
"""

from bench.scale.page import PAGE, with_figures


def main() -> None:
    """Write the figures into the page."""
    PAGE.write_text(with_figures(PAGE.read_text()))


if __name__ == "__main__":
    main()
