"""The HTTP edge: a request becomes a value, a value becomes a response.

May import `index`, whose words and tags it folds, and the shared modules beside the packages; app.py joins it with
the use cases.
"""
