"""The image service. app.py declares its surface; the packages here do the work.

The modules beside the packages are shared: settings, errors, ids, logs, access, permissions, and the values that
cross packages. pyproject.toml states which package may import which, and `make lint` checks it.
"""
