"""The differences between what AWS has of a stage and what a deployment makes of it, and their repair.

`expected` says what a deployment makes, `actual` reads what AWS has, `compare` is pure and returns one sentence per
difference, and `repair` changes what Chalice's deployer leaves as it is.
"""
