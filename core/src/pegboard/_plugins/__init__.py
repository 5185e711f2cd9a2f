"""Plugins: which are installed, and what they offer."""
