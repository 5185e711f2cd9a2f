"""Anthropic's Claude models, for pegboard."""
