"""The use cases of tags: list those in use, with how many images have each.

May import `lists`, for cursors, `stores`, `index` and the shared modules.
"""
