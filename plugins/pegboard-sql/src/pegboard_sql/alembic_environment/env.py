"""
What Alembic runs for every command: migrations on the connection it is given.

A folder of migrations may have an ``env.py`` of its own; this one is where to begin.
"""

from __future__ import annotations

from alembic import context

context.configure(**context.config.attributes["configure"])
with context.begin_transaction():
    context.run_migrations()
