"""Fixtures of pegboard for pytest. Load with ``-p pegboard.testing.pytest_plugin``."""
