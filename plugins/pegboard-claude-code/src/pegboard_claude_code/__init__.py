"""Claude Code through its Agent SDK, for pegboard."""
