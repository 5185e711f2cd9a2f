"""pegboard-openai."""
