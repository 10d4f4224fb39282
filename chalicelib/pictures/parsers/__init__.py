"""What the bytes of each format say, read without an image library: parts, sizes, and what a decoder needs of them.

Pure functions, in linear time. May import one another only.
"""
