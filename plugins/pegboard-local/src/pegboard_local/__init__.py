"""A language model inside the process, for pegboard."""
