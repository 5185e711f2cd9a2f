"""Google's Gemini models, for pegboard."""
