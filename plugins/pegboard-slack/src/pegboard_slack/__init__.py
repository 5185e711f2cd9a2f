"""Slack, for pegboard."""
