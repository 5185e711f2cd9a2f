"""The contracts: what providers promise, with the values that cross them."""
