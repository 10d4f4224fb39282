"""Deployment of a stage to AWS or LocalStack. Both take the same steps, and each step can be repeated:

the stage's settings and policies -> resources.yaml as a CloudFormation stack -> the secrets in SSM -> the differences
between AWS and this deployment -> functions and API by Chalice -> what Chalice cannot set -> the new version of the
API's function -> a successful response from /health
"""
