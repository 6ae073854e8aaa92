"""Group commit: commits that wait together are written in one database transaction and become durable together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import DBAPIError

from .chain import Key, LogEntry, Row, Sealed, next_head, row_mac
from .commit import Committed, Digest, Head
from .database import Database
from .errors import Refused, StoreError
from .tables import head, log
from .write import write_commit

Outcome: TypeAlias = Committed | StoreError


def write_group(database: Database, key: Key, group: Sequence[Sealed]) -> list[Outcome]:
    """One outcome for each commit, in order; what is `Committed` is durable.

    Where the database fails over the group, each commit is tried alone, so that a commit which hits a damaged page
    or does not fit the disk fails by itself. Trying again is safe even if the failed attempt did become durable:
    the version has then moved on.
    """
    try:
        return _write_together(database, key, group)
    except DBAPIError as error:
        if len(group) == 1:
            return [database.fault(error)]
    return [outcome for sealed in group for outcome in write_group(database, key, [sealed])]


def _write_together(database: Database, key: Key, group: Sequence[Sealed]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    rows: list[Row] = []
    with database.writer.begin() as connection:
        for sealed in group:
            # Not a `with` block: after a full disk SQLite has undone the savepoint itself, and to undo it once more
            # would hide the reason.
            savepoint = connection.begin_nested()
            try:
                committed, row = write_commit(connection, sealed)
            except Refused as refusal:
                savepoint.rollback()
                outcomes.append(refusal)
            else:
                savepoint.commit()
                outcomes.append(committed)
                rows.append(row)
        if rows:
            _extend_log(connection, key, rows)
    return outcomes


def _extend_log(connection: Connection, key: Key, rows: Sequence[Row]) -> None:
    # INVARIANT: the head's row is read and locked within the transaction, so that the writers of several processes
    # extend one log one after the other; FOR UPDATE says so to PostgreSQL, on SQLite the transaction itself does.
    found = connection.execute(select(head.c.position, head.c.mac).with_for_update()).one()
    end = Head(found.position, Digest(found.mac))
    entries = []
    for row in rows:
        entry = _entry(key, end.position + 1, row)
        end = next_head(key, end, entry)
        entries.append(
            {
                "position": entry.position,
                "conversation": entry.conversation,
                "version": entry.version,
                "last_sequence": entry.last_sequence,
                "last_hash": entry.last_hash,
                "row_mac": entry.row_mac,
            }
        )
    connection.execute(insert(log), entries)
    connection.execute(update(head).values(position=end.position, mac=end.mac))


def _entry(key: Key, position: int, row: Row) -> LogEntry:
    return LogEntry(
        position=position,
        conversation=row.conversation,
        version=row.version,
        last_sequence=row.last_sequence,
        last_hash=row.last_hash,
        row_mac=row_mac(key, row),
    )
