"""Secrets in the keyring of the system, for pegboard."""
