"""Storage on a Redis or Valkey server, for pegboard."""
