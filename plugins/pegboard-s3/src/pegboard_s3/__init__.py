"""Blobs in Amazon S3 and what is compatible with it, for pegboard."""
