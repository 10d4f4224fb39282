"""Deployment of a stage to AWS or LocalStack. Both take the same steps, and each step can be repeated:

the stage's settings and policies -> resources.yaml as a CloudFormation stack -> functions and API by Chalice
-> what Chalice cannot set -> a successful response from /health
"""
