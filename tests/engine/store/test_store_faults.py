"""What a broken environment does to a store: a clear error that names the file, and nothing lost."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from charter.engine.audit import verify
from charter.engine.store import (
    Committed,
    Conflict,
    ConversationId,
    Corrupt,
    DiskFull,
    Key,
    Locked,
    Missing,
    NewerSchema,
    NewRecord,
    NotADatabase,
    ReadOnly,
    SqliteOptions,
    Unusable,
    WrongKey,
    open_store,
)
from charter.engine.store.conformance import ONE, TWO, a_turn, opened, refusal

HASTY = SqliteOptions(busy_ms=20)


@contextmanager
def other_writer(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_a_locked_database_is_named_and_works_again(path: Path, url: str, key: Key) -> None:
    async with opened(lambda: open_store(url, key, options=HASTY)) as store:
        await store.commit(a_turn(ONE, 0))
        with other_writer(path):
            locked = await refusal(Locked, store.commit(a_turn(ONE, 1)))
            assert await store.load(ONE) is not None
            with pytest.raises(Locked):
                open_store(url, key, options=HASTY)
        assert locked.where == str(path)
        await store.commit(a_turn(ONE, 1))
    assert verify(url, key).intact


async def test_a_full_disk_fails_what_does_not_fit_and_loses_nothing(url: str, key: Key) -> None:
    large = replace(a_turn(TWO, 0), records=(NewRecord(at=1, public="x" * 1_000_000),))
    async with opened(lambda: open_store(url, key, options=SqliteOptions(max_pages=100))) as store:
        small = [a_turn(str(UUID(int=number)), 0) for number in range(10, 15)]
        doing = [store.commit(commit) for commit in (*small, large)]
        outcomes = await asyncio.gather(*doing, return_exceptions=True)
        assert all(isinstance(outcome, Committed) for outcome in outcomes[:-1])
        assert isinstance(outcomes[-1], DiskFull)
        assert await store.load(TWO) is None
    async with opened(lambda: open_store(url, key)) as store:
        await store.commit(large)
    report = verify(url, key)
    assert (report.records, report.breaks) == (6, ())


async def test_a_damaged_page_fails_what_touches_it_and_nothing_else(path: Path, url: str, key: Key) -> None:
    first, *_, last = ids = [str(UUID(int=number)) for number in range(100, 160)]
    async with opened(lambda: open_store(url, key)) as store:
        for one in ids:
            await store.commit(a_turn(one, 0))
    damage_row_of(path, first)
    async with opened(lambda: open_store(url, key)) as store:
        doing = [store.commit(a_turn(one, 1)) for one in (last, first, last)]
        done, damaged, stale = await asyncio.gather(*doing, return_exceptions=True)
        assert isinstance(done, Committed)
        assert isinstance(damaged, Corrupt)
        assert isinstance(stale, Conflict)
        await refusal(Corrupt, store.load(ConversationId(first)))
        assert len(await store.records(ConversationId(first))) == 1
        assert len(await store.records(ConversationId(last))) == 2
    with pytest.raises(Corrupt):
        verify(url, key)


def damage_row_of(path: Path, conversation: str) -> None:
    """The leaf page of the table that has the conversation's row is no longer a page."""
    size = 4096
    pages = bytearray(path.read_bytes())
    for start in range(0, len(pages), size):
        page = pages[start : start + size]
        if page[0] == 0x0D and conversation.encode() in page and b"card_support" in page:
            pages[start : start + 8] = b"\xff" * 8
    assert pages != path.read_bytes()
    path.write_bytes(pages)


async def test_a_read_only_database_is_read_and_not_written(key: Key) -> None:
    with tempfile.TemporaryDirectory() as folder, unprivileged(Path(folder)):
        url = f"sqlite:///{folder}/charter.db"
        async with opened(lambda: open_store(url, key)) as store:
            await store.commit(a_turn(ONE, 0))
        Path(folder, "charter.db").chmod(0o400)
        with pytest.raises(ReadOnly, match=folder):
            open_store(url, key)
        assert verify(url, key).records == 1


@contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """Root may write what is read-only, so root steps aside."""
    if os.geteuid() != 0:
        yield
        return
    nobody = 65534
    os.chown(folder, nobody, nobody)
    os.seteuid(nobody)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_of_something_else_is_refused_and_left_alone(path: Path, url: str, key: Key) -> None:
    text = b"this is a letter, not a database\n" * 100
    path.write_bytes(text)
    with pytest.raises(NotADatabase, match="a store"):
        open_store(url, key)
    with pytest.raises(NotADatabase):
        verify(url, key)
    assert path.read_bytes() == text


def test_a_database_of_something_else_is_refused_and_left_alone(path: Path, url: str, key: Key) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE conversations (id)")
    with pytest.raises(NotADatabase, match="something else"):
        open_store(url, key)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("conversations",)]


async def test_a_newer_schema_is_refused(path: Path, url: str, key: Key) -> None:
    async with opened(lambda: open_store(url, key)) as store:
        await store.commit(a_turn(ONE, 0))
    with closing(sqlite3.connect(path)) as newer, newer:
        newer.execute("UPDATE charter_schema SET version_num = '9999'")
    with pytest.raises(NewerSchema, match=r"9999.*0002"):
        open_store(url, key)


async def test_another_key_is_refused(path: Path, url: str, key: Key) -> None:
    async with opened(lambda: open_store(url, key)) as store:
        await store.commit(a_turn(ONE, 0))
    with pytest.raises(WrongKey, match="another key"):
        open_store(url, Key(bytes(32)))
    with closing(sqlite3.connect(path)) as outside, outside:
        outside.execute("DELETE FROM head")
    with pytest.raises(WrongKey, match="gone"):
        open_store(url, key)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "postgresql://here/charter", "charter.db"])
def test_what_is_not_the_url_of_a_store_is_refused(url: str, key: Key) -> None:
    with pytest.raises(Unusable, match=r"sqlite:///charter\.db"):
        open_store(url, key)


def test_a_store_in_no_folder_is_missing(tmp_path: Path, key: Key) -> None:
    with pytest.raises(Missing, match="nowhere"):
        open_store(f"sqlite:///{tmp_path}/nowhere/charter.db", key)
    with pytest.raises(Missing):
        verify(f"sqlite:///{tmp_path}/charter.db", key)
    assert list(tmp_path.iterdir()) == []


async def test_a_value_that_is_not_json_is_refused_before_it_is_queued(url: str, key: Key) -> None:
    async with opened(lambda: open_store(url, key)) as store:
        for state in (float("nan"), {1, 2}):
            with pytest.raises((TypeError, ValueError)):
                await store.commit(a_turn(ONE, 0, state=state))  # type: ignore[arg-type]  # what a checker would stop
        await store.commit(a_turn(ONE, 0))


def test_nobody_else_may_read_the_files(path: Path, url: str, key: Key) -> None:
    async def check() -> None:
        async with opened(lambda: open_store(url, key)) as store:
            await store.commit(a_turn(ONE, 0))
            for file in path.parent.iterdir():
                assert file.stat().st_mode & 0o077 == 0

    asyncio.run(check())
