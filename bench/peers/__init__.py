"""What people would use instead of this service, and a comparison with it, in one run on one machine.

`scan` and `selfhosted` are Flask services with the paths and fields of this service. They run in an environment of
their own (requirements.txt), so that nothing here but themselves may import them.
"""
