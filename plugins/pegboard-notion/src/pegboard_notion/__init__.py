"""Pages and databases of Notion, for pegboard."""
