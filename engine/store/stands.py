"""What is stored of all that a group of commits is about, read in one statement and as one row.

A driver gives up the interpreter at every statement and at every row, and gets it back late; see `insert.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from sqlalchemy.engine.interfaces import DBAPICursor

from .chain import GENESIS, Sealed
from .commit import Digest, Head, Status

Place: TypeAlias = tuple[str, str]
"""A conversation and one of its requests."""


class NoHead(Exception):
    """The log has lost its head."""


class Stand(NamedTuple):
    """Where a conversation stands, as far as the next commit must know; at version -1 where its row was removed."""

    version: int = 0
    lease_owner: str | None = None
    lease_expires: int | None = None
    last_sequence: int = 0
    last_hash: str = GENESIS


@dataclass(slots=True)
class StoredRequest:
    """What is known of a request."""

    digest: str
    answered: bool
    response: bytes | None


@dataclass(slots=True)
class StoredEntry:
    """What is known of an act of the outbox."""

    conversation: str
    status: Status


@dataclass(frozen=True, slots=True)
class Stands:
    """What is stored of what some commits name, and the end of the log."""

    conversations: dict[str, Stand]
    requests: dict[Place, StoredRequest]
    entries: dict[str, StoredEntry]
    head: Head


def read_stands(cursor: DBAPICursor, commits: Iterable[Sealed]) -> Stands:
    """What is stored of all that the commits are about; raises `NoHead`."""
    ids: set[str] = set()
    places: set[Place] = set()
    keys: set[str] = set()
    for commit in commits:
        ids.add(commit.conversation)
        places.update((commit.conversation, request.id) for request in commit.requests)
        places.update((commit.conversation, answer.id) for answer in commit.answers)
        keys.update(entry.key for entry in commit.outbox)
        keys.update(commit.taken, commit.done)
    wanted = tuple(json.dumps(sorted(some)) for some in (ids, places, keys))
    cursor.execute(_STANDS, wanted)
    row = cursor.fetchone()
    if row is None:
        raise NoHead
    conversations, requests, entries = (json.loads(part) for part in row[:3])
    return Stands(
        {name: Stand(*rest) for name, *rest in conversations},
        {(name, request): _request(*rest) for name, request, *rest in requests},
        {key: StoredEntry(*rest) for key, *rest in entries},
        Head(row[3], Digest(row[4])),
    )


def move_entries(cursor: DBAPICursor, status: Status, keys: Iterable[str]) -> None:
    """The acts of these keys have this status."""
    statement = "UPDATE outbox SET status = ? WHERE key IN (SELECT value FROM json_each(?))"
    cursor.execute(statement, (status, json.dumps(list(keys))))


def _request(digest: str, answered: int, response: str | None) -> StoredRequest:
    return StoredRequest(digest, bool(answered), None if response is None else bytes.fromhex(response))


_STANDS = """
SELECT
  (SELECT json_group_array(json_array(
     wanted.value, coalesce(c.version, -1), c.lease_owner, c.lease_expires, c.last_sequence, c.last_hash))
   FROM json_each(?) AS wanted LEFT JOIN conversations AS c ON c.id = wanted.value
   WHERE c.id IS NOT NULL OR EXISTS (SELECT 1 FROM log WHERE log.conversation = wanted.value)),
  (SELECT json_group_array(json_array(
     r.conversation, r.request_id, r.body_digest, r.answered,
     CASE WHEN r.response IS NOT NULL THEN hex(r.response) END))
   FROM json_each(?) AS wanted CROSS JOIN requests AS r
   WHERE r.conversation = json_extract(wanted.value, '$[0]')
     AND r.request_id = json_extract(wanted.value, '$[1]')),
  (SELECT json_group_array(json_array(o.key, o.conversation, o.status))
   FROM json_each(?) AS wanted CROSS JOIN outbox AS o
   WHERE o.key = wanted.value),
  position, mac
FROM head
"""
"""SQLite's; a database of another kind has functions of its own for it. The order of the joins is as written."""
