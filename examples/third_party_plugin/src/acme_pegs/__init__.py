"""A doctor to talk to, a journal, and an index of vectors, for pegboard."""
