"""The use cases of one image: upload, view, update, delete, process in the background, render, find similar ones.

May import `tags`, `lists`, `stores`, `index`, `pictures` and the shared modules.
"""
