"""What is made of any queue, and of any log of events."""
