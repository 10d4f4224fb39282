"""Upload folders: find the files, know what was sent before, send the rest, and account for each file.

Imports uploads, transport and the modules below them, never the client or its command line.
"""
