"""The use cases of lists: which index a query reads, how a page is merged from key ranges, and its cursor.

May import `stores`, `index` and the shared modules.
"""
