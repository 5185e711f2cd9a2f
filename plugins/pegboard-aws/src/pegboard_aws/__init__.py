"""Queues, secrets and functions of Amazon Web Services, for pegboard."""
