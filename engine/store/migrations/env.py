"""Alembic runs this file, as its convention has it, to migrate in the transaction that `migrate` began."""

from __future__ import annotations

from alembic import context

from charter.engine.store.migrate import VERSION_TABLE
from charter.engine.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
