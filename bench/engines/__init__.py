"""Programs that make the variants of one photograph with different libraries. Arguments: FILE ROUNDS. Output: JSON.

Each makes WebP files of 1920, 1280, 640 and 320 pixels, with quality 80 and effort 2, upright, in sRGB, without
metadata, on one thread.
"""
