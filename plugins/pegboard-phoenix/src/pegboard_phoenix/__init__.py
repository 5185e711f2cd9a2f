"""Traces of calls in Arize Phoenix, for pegboard."""
