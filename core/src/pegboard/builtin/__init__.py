"""The providers that come with pegboard."""
