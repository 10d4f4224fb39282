"""What an image is found by, and where the rows of that index lie. Pure functions.

May import the shared modules only.
"""
