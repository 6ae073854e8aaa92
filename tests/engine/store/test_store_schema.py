"""The migrations make the tables that the statements are written against."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event

from charter.engine.store import IdempotencyKey, Key, NewEntry, migrations, open_store
from charter.engine.store.conformance import ONE, a_turn, opened
from charter.engine.store.migrate import VERSION_TABLE
from charter.engine.store.read import list_due, list_open
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


async def test_what_the_first_schema_held_is_due_at_its_time(path: Path, url: str, key: Key) -> None:
    async with opened(lambda: open_store(url, key)) as store:
        entry = NewEntry(key=IdempotencyKey("k"), kind="timer", payload={"name": "nudge", "due": 7})
        await store.commit(replace(a_turn(ONE, 0), outbox=(entry,)))
    with closing(sqlite3.connect(path)) as older, older:
        for statement in (
            "DROP INDEX outbox_due",
            "ALTER TABLE outbox DROP COLUMN due",
            f"UPDATE {VERSION_TABLE} SET version_num = '0001'",
        ):
            older.execute(statement)
    async with opened(lambda: open_store(url, key)) as store:
        assert [entry.due for entry in await store.due(8)] == [7]


async def test_what_a_server_looks_for_again_and_again_is_found_by_an_index(url: str, key: Key) -> None:
    async with opened(lambda: open_store(url, key)):
        pass
    engine, statements = open_reader(url), list[tuple[str, Any]]()

    def heard(connection: object, cursor: object, statement: str, parameters: Any, *rest: object) -> None:  # noqa: ARG001  # SQLAlchemy's
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", heard)
    with engine.begin() as connection:
        list_due(connection, 1000, 10)
        list_open(connection, 1000, 10)
        event.remove(engine, "before_cursor_execute", heard)
        asked = [(statement, parameters) for statement, parameters in statements if statement.startswith("SELECT")]
        assert len(asked) == 2
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            assert "SCAN" not in str(plan), plan
    engine.dispose()


def test_the_migrations_are_in_the_package() -> None:
    folder = Path(migrations.__path__[0])
    assert (folder / "env.py").is_file()
    assert sorted((folder / "versions").glob("s*.py"))
