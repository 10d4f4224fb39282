"""The bytes of a picture: what they are, what their EXIF says, and smaller variants of them.

The only package that imports the image library. May import the shared modules only.
"""
