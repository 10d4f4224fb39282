"""S3 and DynamoDB: every AWS call of the images and their index rows.

May import `index`, for keys and key ranges, and the shared modules.
"""
