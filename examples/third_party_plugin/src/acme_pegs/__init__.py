"""A doctor to talk to and a journal to keep values in, for pegboard."""
