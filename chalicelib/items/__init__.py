"""The use cases of items: JSON documents that belong to contract E.

May import `lists`, for cursors, `stores` and the shared modules.
"""
