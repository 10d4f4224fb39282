"""What runs of many transfers have in common: parallel work, progress, errors that end a run, and notes on disk.

Imports transport and the modules below it.
"""
