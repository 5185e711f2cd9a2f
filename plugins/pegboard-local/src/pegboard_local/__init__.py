"""pegboard-local."""
