"""Models of an Ollama server, for pegboard."""
