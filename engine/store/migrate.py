"""The database is brought to the schema of this version of Charter when it is opened."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from .errors import NewerSchema, NotADatabase

VERSION_TABLE = "charter_schema"


def migrate(connection: Connection, where: str) -> None:
    """The schema is the newest one, in the caller's transaction; a newer or a foreign one is refused untouched."""
    config = Config()
    config.set_main_option("script_location", "charter.engine.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    found = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    if found is not None and found not in known:
        newest = script.get_current_head()
        raise NewerSchema(where, f"the schema is {found}; this version of Charter knows up to {newest}")
    if found is None and inspect(connection).get_table_names():
        raise NotADatabase(where, "the database holds tables of something else")
    if found != script.get_current_head():
        command.upgrade(config, "head")
