"""Alembic's entry point: runs the revisions on the connection that ``migrate`` opened."""

from __future__ import annotations

from alembic import context

from agent.log_tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
