"""Language models that are made of other instances."""
