"""Tests in a real browser, against the embedded stack."""
