"""Export all images of an owner to a folder, and import such a folder: a backup, and the way to another deployment.

The layout of the folder is documented in docs/command-line.md. It is of use without this program.
"""
