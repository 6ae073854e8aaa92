"""Every way to tamper with the audit log shows, at the right place, and erasure does not."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charter.engine.audit import What, verify
from charter.engine.store import Head, Key, open_store
from charter.engine.store.chain import first_head, record_hash
from charter.engine.store.conformance import ONE, TWO, a_turn, opened
from charter.engine.store.sql_store import open_reader

KEY = Key(bytes(range(32)))
TURNS = 5


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two conversations of five turns, turn by turn."""
    path = tmp_path_factory.mktemp("audit") / "written.db"

    async def write() -> None:
        async with opened(lambda: open_store(f"sqlite:///{path}", KEY)) as store:
            for version in range(TURNS):
                await store.commit(a_turn(ONE, version))
                await store.commit(a_turn(TWO, version))

    asyncio.run(write())
    return path


@pytest.fixture
def path(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(written, tmp_path / "charter.db"))


def breaks(path: Path, *, key: Key = KEY, anchor: Head | None = None) -> set[tuple[str | None, int | None, What]]:
    found = verify(f"sqlite:///{path}", key, anchor=anchor).breaks
    assert len(set(found)) == len(found)
    return {(one.conversation, one.sequence, one.what) for one in found}


def tamper(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as outside, outside:
        for statement in statements:
            outside.execute(statement, {"one": ONE, "two": TWO} if ":" in statement else {})


def test_what_was_not_touched_is_intact(path: Path) -> None:
    report = verify(f"sqlite:///{path}", KEY)
    assert report.intact
    assert (report.conversations, report.records) == (2, 2 * TURNS)
    assert report.head is not None
    assert report.head.position == 2 * TURNS
    engine = open_reader(f"sqlite:///{path}")
    assert verify(engine, KEY) == report
    engine.dispose()


CASES: dict[str, tuple[list[str], set[tuple[str | None, int | None, What]]]] = {
    "a changed body": (
        ["UPDATE records SET body = '{}' WHERE conversation = :one AND sequence = 2"],
        {(ONE, 2, What.CHANGED)},
    ),
    "blanks in a body": (
        ["UPDATE records SET body = body || ' ' WHERE conversation = :one AND sequence = 2"],
        {(ONE, 2, What.CHANGED)},
    ),
    "a changed time": (
        ["UPDATE records SET at = at + 1 WHERE conversation = :one AND sequence = 5"],
        {(ONE, 5, What.CHANGED)},
    ),
    "a changed request": (
        ["UPDATE records SET request_id = 'r' WHERE conversation = :one AND sequence = 1"],
        {(ONE, 1, What.CHANGED)},
    ),
    "a changed hash": (
        [f"UPDATE records SET hash = '{'a' * 64}' WHERE conversation = :one AND sequence = 2"],
        {(ONE, 2, What.CHANGED), (ONE, 3, What.UNLINKED)},
    ),
    "a changed last hash": (
        [f"UPDATE records SET hash = '{'a' * 64}' WHERE conversation = :one AND sequence = 5"],
        {(ONE, 5, What.CHANGED), (ONE, 5, What.REWRITTEN)},
    ),
    "a value of another type": (
        ["UPDATE records SET body = x'00' WHERE conversation = :one AND sequence = 2"],
        {(ONE, 2, What.UNREADABLE)},
    ),
    "a removed record": (
        ["DELETE FROM records WHERE conversation = :one AND sequence IN (2, 3)"],
        {(ONE, 2, What.MISSING)},
    ),
    "a removed first record": (
        ["DELETE FROM records WHERE conversation = :two AND sequence = 1"],
        {(TWO, 1, What.MISSING)},
    ),
    "a removed record, the others moved up": (
        [
            "DELETE FROM records WHERE conversation = :one AND sequence = 4",
            "UPDATE records SET sequence = 4 WHERE conversation = :one AND sequence = 5",
        ],
        {(ONE, 4, What.UNLINKED), (ONE, 4, What.CHANGED), (ONE, 5, What.CUT)},
    ),
    "a cut tail": (
        ["DELETE FROM records WHERE conversation = :one AND sequence > 3"],
        {(ONE, 4, What.CUT)},
    ),
    "a cut tail, with the row set back": (
        [
            "DELETE FROM records WHERE conversation = :one AND sequence > 3",
            ("UPDATE conversations SET version = 3, last_sequence = 3, last_hash ="
            " (SELECT hash FROM records WHERE conversation = :one AND sequence = 3) WHERE id = :one"),
        ],
        {(ONE, 4, What.CUT), (ONE, None, What.ROW)},
    ),
    "a cut tail, with the log set back": (
        [
            "DELETE FROM records WHERE conversation = :two AND sequence > 4",
            "DELETE FROM log WHERE conversation = :two AND last_sequence > 4",
            "UPDATE head SET position = (SELECT max(position) FROM log)",
        ],
        {(None, None, What.LOG), (TWO, None, What.ROW)},
    ),
    "every record cut": (
        ["DELETE FROM records WHERE conversation = :one"],
        {(ONE, 1, What.CUT)},
    ),
    "a removed conversation": (
        ["DELETE FROM records WHERE conversation = :one", "DELETE FROM conversations WHERE id = :one"],
        {(ONE, None, What.REMOVED)},
    ),
    "a conversation removed from the log too": (
        [
            "DELETE FROM records WHERE conversation = :one",
            "DELETE FROM conversations WHERE id = :one",
            "DELETE FROM personal WHERE conversation = :one",
            "DELETE FROM log WHERE conversation = :one",
        ],
        {(None, None, What.LOG)},
    ),
    "a changed log entry": (
        [f"UPDATE log SET last_hash = '{'a' * 64}' WHERE position = 3"],
        {(None, None, What.LOG)},
    ),
    "a removed log entry": (["DELETE FROM log WHERE position = 3"], {(None, None, What.LOG)}),
    "a changed head": ([f"UPDATE head SET mac = '{'a' * 64}'"], {(None, None, What.LOG)}),
    "a removed head": (["DELETE FROM head"], {(None, None, What.LOG)}),
    "a changed state": (
        ["UPDATE conversations SET state = '{}' WHERE id = :two"],
        {(TWO, None, What.ROW)},
    ),
    "a policy passed off as another": (
        ["UPDATE conversations SET policy_digest = replace(policy_digest, 'a', 'b') WHERE id = :two"],
        {(TWO, None, What.ROW)},
    ),
    "a reopened conversation": (
        ["UPDATE conversations SET open = 1 WHERE id = :two"],
        {(TWO, None, What.ROW)},
    ),
    "a forged conversation": (
        [("INSERT INTO conversations SELECT 'forged', 1, policy, policy_digest, state, 0, 0, NULL, NULL, 0,"
         " last_hash FROM conversations WHERE id = :one")],
        {("forged", None, What.UNKNOWN)},
    ),
    "a changed personal value": (
        ["""UPDATE personal SET value = '"goodbye"' WHERE conversation = :one AND sequence = 2"""],
        {(ONE, 2, What.PERSONAL)},
    ),
    "a changed salt": (
        ["UPDATE personal SET salt = x'00' WHERE conversation = :one AND sequence = 2"],
        {(ONE, 2, What.PERSONAL)},
    ),
    "an added personal value": (
        [("INSERT INTO personal SELECT conversation, sequence, 'more', value, salt FROM personal"
         " WHERE conversation = :one AND sequence = 2")],
        {(ONE, 2, What.PERSONAL)},
    ),
    "an erased personal value": (["DELETE FROM personal WHERE conversation = :one AND sequence < 4"], set()),
    "every personal value erased": (["DELETE FROM personal"], set()),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_tampering_shows_where_it_was_done(case: str, path: Path) -> None:
    statements, expected = CASES[case]
    tamper(path, *statements)
    assert breaks(path) == expected


def test_another_key_shows_and_the_chains_are_still_followed(path: Path) -> None:
    assert breaks(path, key=Key(bytes(32))) == {(None, None, What.KEY)}
    tamper(path, "DELETE FROM records WHERE conversation = :one AND sequence = 2")
    assert breaks(path, key=Key(bytes(32))) == {(None, None, What.KEY), (ONE, 2, What.MISSING)}


def test_a_chain_that_was_hashed_anew_does_not_end_where_the_log_says(path: Path) -> None:
    rehash(path, lambda row: {**row, "body": '{"rules":[]}'} if row["sequence"] == 3 else row)
    assert breaks(path) == {(ONE, TURNS, What.REWRITTEN)}


def test_a_record_appended_to_the_chain_is_not_in_the_log(path: Path) -> None:
    tamper(
        path,
        "INSERT INTO records SELECT conversation, 6, request_id, at, body, digests, hash, hash FROM records"
        " WHERE conversation = :one AND sequence = 5",
    )
    rehash(path, lambda row: row)
    assert breaks(path) == {(ONE, 6, What.ADDED)}


def rehash(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """What somebody without the key can do: change the records of a conversation, and hash them all again."""
    with closing(sqlite3.connect(path)) as outside, outside:
        outside.row_factory = sqlite3.Row
        previous = "0" * 64
        query = "SELECT * FROM records WHERE conversation = ? ORDER BY sequence"
        for row in [change(dict(row)) for row in outside.execute(query, [ONE])]:
            texts = row["request_id"], row["at"], row["body"], row["digests"]
            own = record_hash(previous, ONE, row["sequence"], *texts)
            outside.execute(
                "UPDATE records SET body = ?, previous = ?, hash = ? WHERE conversation = ? AND sequence = ?",
                [row["body"], previous, own, ONE, row["sequence"]],
            )
            previous = own


async def test_an_anchor_shows_that_the_store_was_set_back_to_an_earlier_copy(path: Path, tmp_path: Path) -> None:
    earlier = Path(shutil.copy(path, tmp_path / "earlier.db"))
    anchors = []
    async with opened(lambda: open_store(f"sqlite:///{path}", KEY)) as store:
        anchors.append(await store.head())
        await store.commit(a_turn(ONE, TURNS))
        anchors.append(await store.head())
    for anchor in (*anchors, first_head(KEY)):
        assert breaks(path, anchor=anchor) == set()
    assert breaks(earlier, anchor=anchors[0]) == set()
    assert breaks(earlier, anchor=anchors[1]) == {(None, None, What.ANCHOR)}
    assert breaks(path, anchor=replace(anchors[0], mac=anchors[1].mac)) == {(None, None, What.ANCHOR)}


async def test_a_store_in_which_nothing_happened_is_intact(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/empty.db"
    await open_store(url, KEY).close()
    report = verify(url, KEY)
    assert (report.breaks, report.head) == ((), first_head(KEY))


async def test_a_store_is_verified_while_it_is_written(path: Path) -> None:
    url = f"sqlite:///{path}"
    async with opened(lambda: open_store(url, KEY)) as store:

        async def write() -> None:
            for version in range(TURNS, TURNS + 40):
                await store.commit(a_turn(ONE, version))

        writing = asyncio.ensure_future(write())
        reports = [await asyncio.to_thread(verify, url, KEY)]
        while not writing.done():
            reports.append(await asyncio.to_thread(verify, url, KEY))
        await writing
    assert [report.breaks for report in reports] == [()] * len(reports)
