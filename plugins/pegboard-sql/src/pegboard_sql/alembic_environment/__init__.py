"""The environment that Alembic finds migrations with."""
