"""The migrations make the tables that the statements are written against."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from charter.engine.store import Key, migrations, open_store
from charter.engine.store.conformance import opened
from charter.engine.store.migrate import VERSION_TABLE
from charter.engine.store.sql_store import open_reader
from charter.engine.store.tables import metadata


async def test_migrated_and_declared_tables_are_the_same(url: str, key: Key) -> None:
    async with opened(lambda: open_store(url, key)):
        pass
    engine = open_reader(url)
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_migrations_are_in_the_package() -> None:
    folder = Path(migrations.__path__[0])
    assert (folder / "env.py").is_file()
    assert sorted((folder / "versions").glob("s*.py"))
