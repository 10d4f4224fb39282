"""Deployment of a stage: to AWS, or to LocalStack, by the same steps, each of which can be repeated.

resources.yaml as a CloudFormation stack -> the stage's settings and policies -> functions and API by Chalice
-> what Chalice can't set -> an answer from /health
"""
