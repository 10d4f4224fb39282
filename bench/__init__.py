"""Measurements of what operations cost. They print figures; no test depends on them."""
