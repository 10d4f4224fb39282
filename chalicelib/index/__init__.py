"""What an image is found by, and where the rows of that index lie. Functions of their arguments and the settings.

May import the shared modules only.
"""
