"""Group commit: commits that wait together are written in one database transaction and become durable together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from sqlalchemy.engine.interfaces import DBAPICursor

from .chain import Key, LogEntry, Row, Sealed, next_head, row_mac
from .commit import Committed, Head
from .database import Database
from .errors import Fault, StoreError, WrongKey
from .insert import insert_rows
from .stands import NoHead
from .tables import log
from .write import write_commits

Outcome: TypeAlias = Committed | StoreError


def write_group(database: Database, key: Key, group: Sequence[Sealed]) -> list[Outcome]:
    """One outcome for each commit, in order; what is `Committed` is durable.

    Where the database fails over the group, each commit is tried alone, so that a commit which hits a damaged page
    or does not fit the disk fails by itself. Trying again is safe even if the failed attempt did become durable:
    the version has then moved on.
    """
    try:
        return _write_together(database, key, group)
    except Fault as fault:
        return [fault for _ in group]
    except NoHead:
        return [WrongKey(database.where, "the head of the log is gone") for _ in group]
    except database.error as error:
        if len(group) == 1:
            return [database.fault(error)]
    return [outcome for sealed in group for outcome in write_group(database, key, [sealed])]


def _write_together(database: Database, key: Key, group: Sequence[Sealed]) -> list[Outcome]:
    with database.turn(), database.transaction() as cursor:
        outcomes, end = write_commits(cursor, group)
        if rows := [outcome[1] for outcome in outcomes if isinstance(outcome, tuple)]:
            _extend_log(cursor, key, end, rows)
    return [outcome[0] if isinstance(outcome, tuple) else outcome for outcome in outcomes]


def _extend_log(cursor: DBAPICursor, key: Key, end: Head, rows: Sequence[Row]) -> None:
    # INVARIANT: `end` was read in this transaction, which holds the write lock from its beginning, so that the writers
    # of several processes extend one log one after the other.
    entries = []
    for row in rows:
        entry = _entry(key, end.position + 1, row)
        end = next_head(key, end, entry)
        entries.append(
            (
                entry.position,
                entry.conversation,
                entry.version,
                entry.last_sequence,
                entry.last_hash,
                entry.row_mac,
            )
        )
    insert_rows(cursor, log, _LOG_COLUMNS, entries)
    cursor.execute("UPDATE head SET position = ?, mac = ?", (end.position, end.mac))


_LOG_COLUMNS = tuple(column.name for column in log.columns)


def _entry(key: Key, position: int, row: Row) -> LogEntry:
    return LogEntry(
        position=position,
        conversation=row.conversation,
        version=row.version,
        last_sequence=row.last_sequence,
        last_hash=row.last_hash,
        row_mac=row_mac(key, row),
    )
