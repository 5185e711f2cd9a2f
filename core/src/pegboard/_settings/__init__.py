"""Settings: what is asked for, and where each value came from."""
