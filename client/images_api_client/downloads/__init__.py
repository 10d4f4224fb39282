"""Download images: one to a file or a stream, or all images of a query to a folder.

Each file is checked against the SHA-256 of the image, and gets its final name only when it is complete.
"""
