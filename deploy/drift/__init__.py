"""The differences between what AWS has of a stage and what a deployment makes of it, and their repair.

`expected` says what a deployment makes of functions, roles, events and the API, `actual` reads what AWS has, `compare`
returns one sentence per difference, by the tables in `properties`, and `repair` changes what Chalice's deployer leaves
as it is. `resources` does all of this for the resources of the stack.
"""
