"""Databases with SQLAlchemy, and values in them, for pegboard."""
