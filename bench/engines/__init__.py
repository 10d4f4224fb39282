"""Ways to make the variants of one photograph, each a program of its own: FILE ROUNDS, and JSON of the figures.

Each makes the ladder of 1920, 1280, 640 and 320 pixels as WebP of quality 80 and effort 2, upright and in sRGB, without
metadata, on one thread.
"""
