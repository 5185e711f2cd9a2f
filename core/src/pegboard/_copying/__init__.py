"""How a storage is copied to another one, kind by kind."""
