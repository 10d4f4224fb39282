"""Commands, run in the repository's root: python -m scripts.<name>."""
