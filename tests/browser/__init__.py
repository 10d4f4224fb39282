"""Tests of the pages in a real browser: Chromium, on an embedded stack."""
