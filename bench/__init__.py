"""Measure what operations cost. Nothing here is a test."""
