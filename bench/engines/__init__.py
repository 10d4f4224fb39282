"""Programs that make the variants of one photograph, one for each library: arguments FILE ROUNDS, output JSON.

Each makes variants of 1920, 1280, 640 and 320 pixels as WebP of quality 80 and effort 2, upright, in sRGB, without
metadata, on one thread.
"""
