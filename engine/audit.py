"""Verification of a store's audit log: whether it still says what was written, and where it does not.

It proves that nothing was changed, cut off or removed by somebody without the key, except that the whole database
was set back to an earlier copy of itself; an anchor, a head noted elsewhere, shows that too. Requests, the outbox
and leases are working data and are not covered.
"""

from __future__ import annotations

import contextlib
import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import partial
from hmac import compare_digest
from itertools import groupby
from operator import attrgetter
from typing import Any, assert_never
from urllib.parse import unquote

from sqlalchemy import Connection, Engine, Select, exists, select

from .store.chain import GENESIS, Key, LogEntry, first_head, key_check, next_head, personal_digest, record_hash, row_mac
from .store.chain import Row as SealedRow
from .store.commit import ConversationId, Head
from .store.sql_store import open_reader
from .store.sqlite import faults, sqlite_fault
from .store.tables import conversations, head, log, personal, records


class What(StrEnum):
    """What is wrong; the value is the sentence for the reader of a report."""

    KEY = "the key is not the one the store was written with"
    LOG = "the log over all conversations, or its head, was changed"
    ANCHOR = "the log is not a continuation of the anchor"
    UNREADABLE = "a row cannot be read"
    UNKNOWN = "the log does not know the conversation"
    REMOVED = "the conversation was removed"
    ROW = "the conversation's row was changed"
    CHANGED = "the record was changed"
    UNLINKED = "the record does not follow the one before it"
    MISSING = "records are missing from here on, before the next one"
    CUT = "the last records are missing, from here on"
    ADDED = "the log does not know the record"
    REWRITTEN = "the records were rewritten: they do not end in the hash that the log knows"
    PERSONAL = "a personal value was changed"


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that is wrong; the conversation and the sequence are None where it concerns the store as a whole."""

    conversation: ConversationId | None
    sequence: int | None
    what: What


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was verified and what is wrong with it; `head` is what the store claims, None where it has no head."""

    conversations: int
    records: int
    breaks: tuple[Break, ...]
    head: Head | None

    @property
    def intact(self) -> bool:
        """Nothing is wrong."""
        return not self.breaks


def verify(store: str | Engine, key: Key, *, anchor: Head | None = None) -> AuditReport:
    """Every row of the audit log was checked, at one moment, in memory that does not grow with the store.

    Takes the URL of a store, or an engine over it. A database that cannot be read is a `Fault`.
    """
    with _engine(store) as engine, faults(partial(sqlite_fault, _file(engine))), engine.begin() as connection:
        claimed = _claimed(connection)
        keyed = claimed is not None and compare_digest(claimed.key_check, key_check(key))
        breaks: list[Break] = []
        seen = _Seen()
        if claimed is not None and not keyed:
            breaks.append(Break(None, None, What.KEY))
        elif claimed is None or not _log_holds(connection, key, claimed):
            breaks.append(Break(None, None, What.LOG))
        if keyed and anchor is not None and not _continues(connection, key, anchor):
            breaks.append(Break(None, None, What.ANCHOR))
        breaks.extend(_conversation_breaks(connection, key if keyed else None, seen))
        end = None if claimed is None else Head(claimed.position, claimed.mac)
    return AuditReport(seen.conversations, seen.records, tuple(breaks), end)


def _file(engine: Engine) -> str:
    """Where the store is, for people."""
    return unquote((engine.url.database or "").removeprefix("file:"))


@contextlib.contextmanager
def _engine(store: str | Engine) -> Iterator[Engine]:
    if isinstance(store, Engine):
        yield store
        return
    engine = open_reader(store)
    try:
        yield engine
    finally:
        engine.dispose()


def _claimed(connection: Connection) -> Any:
    return connection.execute(select(head).order_by(head.c.id)).first()


def _log_holds(connection: Connection, key: Key, claimed: Any) -> bool:
    end = _replay(key, _stream(connection, select(log).order_by(log.c.position)))
    return end is not None and end.position == claimed.position and compare_digest(end.mac, claimed.mac)


def _continues(connection: Connection, key: Key, anchor: Head) -> bool:
    entries = select(log).where(log.c.position <= anchor.position).order_by(log.c.position)
    return _replay(key, _stream(connection, entries)) == anchor


def _replay(key: Key, entries: Iterable[Any]) -> Head | None:
    """The head that these entries lead to, or None where they are not a log."""
    end = first_head(key)
    for row in entries:
        if row.position != end.position + 1:
            return None
        try:
            end = next_head(key, end, LogEntry(**row._mapping))
        except TypeError:
            return None
    return end


class _Kind(IntEnum):
    ROW = 0
    KNOWN = 1
    VALUE = 2
    RECORD = 3


@dataclass(frozen=True, slots=True, order=True)
class _Item:
    """A row of any table in the order of the walk: conversation by conversation, values before their record."""

    conversation: str
    sequence: int
    kind: _Kind
    row: Any = field(compare=False)


@dataclass(slots=True)
class _Seen:
    conversations: int = 0
    records: int = 0


@dataclass(slots=True)
class _Walk:
    """How far the records of one conversation were followed."""

    conversation: ConversationId
    row: Any = None
    known: Any = None
    sequence: int = 0
    hash: str = GENESIS
    values: list[Any] = field(default_factory=list)


def _conversation_breaks(connection: Connection, key: Key | None, seen: _Seen) -> Iterator[Break]:
    for conversation, items in groupby(_items(connection), key=attrgetter("conversation")):
        walk = _Walk(conversation)
        try:
            for item in items:
                yield from _follow(walk, item, seen)
            yield from _end_breaks(walk, key)
        except (TypeError, ValueError):  # a value of the wrong type: only an outside hand writes one
            yield Break(conversation, walk.sequence + 1, What.UNREADABLE)


def _items(connection: Connection) -> Iterator[_Item]:
    later = log.alias()
    superseded = exists().where(later.c.conversation == log.c.conversation, later.c.position > log.c.position)
    of_row = select(conversations).order_by(conversations.c.id)
    of_log = select(log).where(~superseded).order_by(log.c.conversation)
    of_value = select(personal).order_by(personal.c.conversation, personal.c.sequence, personal.c.path)
    of_record = select(records).order_by(records.c.conversation, records.c.sequence)
    return heapq.merge(
        (_item(_Kind.ROW, row.id, 0, row) for row in _stream(connection, of_row)),
        (_item(_Kind.KNOWN, row.conversation, 0, row) for row in _stream(connection, of_log)),
        (_item(_Kind.VALUE, row.conversation, row.sequence, row) for row in _stream(connection, of_value)),
        (_item(_Kind.RECORD, row.conversation, row.sequence, row) for row in _stream(connection, of_record)),
    )


def _item(kind: _Kind, conversation: object, sequence: object, row: Any) -> _Item:
    # SQLite lets an outside hand write a value of any type into any column; the order must stand it.
    return _Item(str(conversation), sequence if isinstance(sequence, int) else 0, kind, row)


def _stream(connection: Connection, query: Select[Any]) -> Iterable[Any]:
    return connection.execution_options(yield_per=500).execute(query)


def _follow(walk: _Walk, item: _Item, seen: _Seen) -> Iterator[Break]:
    match item.kind:
        case _Kind.ROW:
            walk.row = item.row
            seen.conversations += 1
        case _Kind.KNOWN:
            walk.known = item.row
        case _Kind.VALUE:
            walk.values.append(item.row)
        case _Kind.RECORD:
            yield from _record_breaks(walk, item.row)
            walk.sequence, walk.hash = item.row.sequence, item.row.hash
            walk.values.clear()
            seen.records += 1
        case never:
            assert_never(never)


def _record_breaks(walk: _Walk, row: Any) -> Iterator[Break]:
    here = walk.conversation
    if row.sequence > walk.sequence + 1:
        yield Break(here, walk.sequence + 1, What.MISSING)
    elif row.previous != walk.hash:
        yield Break(here, row.sequence, What.UNLINKED)
    own = record_hash(row.previous, here, row.sequence, row.request_id, row.at, row.body, row.digests)
    if own != row.hash:
        yield Break(here, row.sequence, What.CHANGED)
    elif not _values_hold(walk, row):
        yield Break(here, row.sequence, What.PERSONAL)
    if walk.known is not None and row.sequence > walk.known.last_sequence:
        yield Break(here, row.sequence, What.ADDED)


def _values_hold(walk: _Walk, row: Any) -> bool:
    """Every personal value that is left is the one that was hashed; one that was erased is not missed."""
    digests = json.loads(row.digests)
    left = [value for value in walk.values if value.sequence == row.sequence]
    return all(digests.get(value.path) == personal_digest(value.value, value.salt) for value in left)


def _end_breaks(walk: _Walk, key: Key | None) -> Iterator[Break]:
    here = walk.conversation
    if walk.known is None:
        yield Break(here, None, What.UNKNOWN)
        return
    if walk.row is None:
        yield Break(here, None, What.REMOVED)
    elif key is not None and not _row_holds(walk, key):
        yield Break(here, None, What.ROW)
    if walk.row is not None and walk.sequence < walk.known.last_sequence:
        yield Break(here, walk.sequence + 1, What.CUT)
    elif walk.sequence == walk.known.last_sequence and walk.hash != walk.known.last_hash:
        yield Break(here, walk.sequence, What.REWRITTEN)


def _row_holds(walk: _Walk, key: Key) -> bool:
    row = walk.row
    sealed = SealedRow(
        conversation=row.id,
        version=row.version,
        policy=row.policy,
        policy_digest=row.policy_digest,
        state=row.state,
        open=row.open,
        over=row.over,
        last_sequence=row.last_sequence,
        last_hash=row.last_hash,
    )
    return compare_digest(row_mac(key, sealed), str(walk.known.row_mac))
