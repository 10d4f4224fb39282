"""The HTTP edge: read a request into a value, and write a value as an answer.

May import `index`, whose rules fold words and tags, the values (`model`) of the other packages, and the shared modules.
Calls no use case: app.py calls them between reading and writing.
"""
