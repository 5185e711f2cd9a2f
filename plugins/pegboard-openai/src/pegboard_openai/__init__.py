"""OpenAI, and every service that speaks its API, for pegboard."""
