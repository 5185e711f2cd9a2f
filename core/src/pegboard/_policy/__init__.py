"""How calls to external services are governed."""
