"""Commits inside an open database transaction: what is refused, then what is written, for a whole group at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy.engine.interfaces import DBAPICursor

from .chain import Row, Sealed, record_hash
from .commit import (
    Answered,
    Committed,
    Digest,
    Erased,
    Head,
    IdempotencyKey,
    InFlight,
    Mismatch,
    Owner,
    Seen,
    Status,
)
from .errors import AlreadyRequested, Conflict, LeaseHeld, NotInFlight, OutboxRefused, Refused
from .insert import insert_rows, put_rows
from .stands import Place, Stand, StoredEntry, StoredRequest, move_entries, read_stands
from .tables import conversations, outbox, personal, records, requests

_Lease: TypeAlias = "tuple[str | None, int | None]"  # owner and expiry

_CONVERSATION_COLUMNS = tuple(column.name for column in conversations.columns)
_RECORD_COLUMNS = tuple(column.name for column in records.columns)
_PERSONAL_COLUMNS = tuple(column.name for column in personal.columns)
_REQUEST_COLUMNS = tuple(column.name for column in requests.columns)
_OUTBOX_COLUMNS = ("conversation", "sequence", "kind", "payload", "key", "due", "status")


def write_commits(cursor: DBAPICursor, group: Sequence[Sealed]) -> tuple[list[tuple[Committed, Row] | Refused], Head]:
    """Every commit that is not refused is written, and its conversation's row is as returned; with the log's end.

    Each is judged as if those before it had been written one by one. What is refused changes nothing.
    """
    outcomes: list[tuple[Committed, Row] | Refused] = []
    for run in _runs(group):
        stands = read_stands(cursor, run)
        batch = _Batch(stands.conversations, stands.requests, stands.entries)
        outcomes += [batch.take(commit) for commit in run]
        batch.write(cursor)
    return outcomes, stands.head


def _runs(group: Sequence[Sealed]) -> Iterator[list[Sealed]]:
    """The group in runs; a commit that erases opens one, so that what it erases is in the tables."""
    run: list[Sealed] = []
    for commit in group:
        if commit.erase and run:
            yield run
            run = []
        run.append(commit)
    yield run


@dataclass(slots=True)
class _Batch:
    """What is stored, changed in memory by one commit after the other, and the rows to write."""

    stands: dict[str, Stand]
    requests: dict[Place, StoredRequest]
    entries: dict[str, StoredEntry]
    rows: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    records: list[tuple[Any, ...]] = field(default_factory=list)
    personal: list[tuple[Any, ...]] = field(default_factory=list)
    changed: set[Place] = field(default_factory=set)
    outbox: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # new ones, by key
    moved: dict[str, Status] = field(default_factory=dict)  # those that were there, by key
    erased: list[Sealed] = field(default_factory=list)

    def take(self, commit: Sealed) -> tuple[Committed, Row] | Refused:
        """The commit is part of the batch, or refused."""
        stand = self.stands.get(commit.conversation, Stand())
        refused = (
            self._refused_request(commit)
            or _refused_lease(commit, stand)
            or _refused_version(commit, stand)
            or self._refused_answer(commit)
            or self._refused_outbox(commit)
        )
        if refused is not None:
            return refused
        if commit.erase:
            self._forget(commit)
        chained = list(_chained(commit, stand))
        row = _row(commit, chained[-1] if chained else (stand.last_sequence, stand.last_hash))
        lease: _Lease = (commit.lease.owner, commit.lease.expires) if commit.lease else (None, None)
        self.stands[commit.conversation] = Stand(row.version, *lease, row.last_sequence, row.last_hash)
        self.rows[commit.conversation] = _conversation_row(row, lease)
        self._add_records(commit, stand, chained)
        self._add_requests(commit)
        self._add_outbox(commit, stand.last_sequence + 1)
        committed = Committed(version=row.version, last_sequence=row.last_sequence, last_hash=Digest(row.last_hash))
        return committed, row

    def write(self, cursor: DBAPICursor) -> None:
        """All rows are in their tables."""
        for commit in self.erased:
            _erase(cursor, commit)
        put_rows(cursor, conversations, _CONVERSATION_COLUMNS, list(self.rows.values()))
        insert_rows(cursor, records, _RECORD_COLUMNS, self.records)
        insert_rows(cursor, personal, _PERSONAL_COLUMNS, self.personal)
        asked = [
            (*place, found.digest, found.answered, found.response)
            for place in sorted(self.changed)
            for found in (self.requests[place],)
        ]
        put_rows(cursor, requests, _REQUEST_COLUMNS, asked)
        insert_rows(cursor, outbox, _OUTBOX_COLUMNS, list(self.outbox.values()))
        for status in set(self.moved.values()):
            move_entries(cursor, status, [key for key, after in self.moved.items() if after == status])

    # --- what is refused ---------------------------------------------------------------------------------------------

    def _refused_request(self, commit: Sealed) -> Refused | None:
        for request in commit.requests:
            found = self.requests.get((commit.conversation, request.id))
            if found is not None:
                return AlreadyRequested(commit.conversation, request.id, _seen(found, request.body_digest))
        return None

    def _refused_answer(self, commit: Sealed) -> Refused | None:
        opened = {request.id for request in commit.requests}
        for answer in commit.answers:
            found = self.requests.get((commit.conversation, answer.id))
            if answer.id not in opened and (found is None or found.answered):
                return NotInFlight(commit.conversation, answer.id)
        if len({answer.id for answer in commit.answers}) != len(commit.answers):
            return NotInFlight(commit.conversation, commit.answers[-1].id)
        return None

    def _refused_outbox(self, commit: Sealed) -> Refused | None:
        keys = [entry.key for entry in commit.outbox]
        known = [key for key in keys if key in self.entries]
        if known or len(set(keys)) != len(keys):
            return OutboxRefused(commit.conversation, tuple(known or keys), "the key is used already")
        status: dict[str, Status] = dict.fromkeys(keys, "pending")
        for key in {*commit.taken, *commit.done} - set(keys):
            entry = self.entries.get(key)
            if entry is not None and entry.conversation == commit.conversation:
                status[key] = entry.status
        for moved, before, after in ((commit.taken, ("pending",), "taken"), (commit.done, _UNDONE, "done")):
            if any(status.get(key) not in before for key in moved) or len(set(moved)) != len(moved):
                return OutboxRefused(commit.conversation, moved, f"not all are there to become {after}")
            status |= dict.fromkeys(moved, "taken" if after == "taken" else "done")
        return None

    def _forget(self, commit: Sealed) -> None:
        """What was answered before the commit is erased."""
        self.erased.append(commit)
        for (conversation, _), found in self.requests.items():
            if conversation == commit.conversation and found.answered:
                found.response = None

    # --- what is written ---------------------------------------------------------------------------------------------

    def _add_records(self, commit: Sealed, stand: Stand, chained: list[tuple[int, str]]) -> None:
        previous, conversation = stand.last_hash, commit.conversation
        for (sequence, own), record in zip(chained, commit.records, strict=True):
            self.records.append(
                (conversation, sequence, record.request_id, record.at, record.body, record.digests, previous, own)
            )
            self.personal += [
                (conversation, sequence, value.path, value.value, value.salt) for value in record.personal
            ]
            previous = own

    def _add_requests(self, commit: Sealed) -> None:
        for request in commit.requests:
            self.requests[commit.conversation, request.id] = StoredRequest(request.body_digest, False, None)
            self.changed.add((commit.conversation, request.id))
        for answer in commit.answers:
            found = self.requests[commit.conversation, answer.id]
            found.answered, found.response = True, answer.response
            self.changed.add((commit.conversation, answer.id))

    def _add_outbox(self, commit: Sealed, first: int) -> None:
        for entry in commit.outbox:
            self.entries[entry.key] = StoredEntry(commit.conversation, "pending")
            row = (
                commit.conversation,
                first + entry.record,
                entry.kind,
                entry.payload,
                entry.key,
                entry.due,
                "pending",
            )
            self.outbox[entry.key] = row
        for key in commit.taken:
            self._move(key, "taken")
        for key in commit.done:
            self._move(key, "done")

    def _move(self, key: IdempotencyKey, status: Status) -> None:
        self.entries[key].status = status
        if key in self.outbox:
            self.outbox[key] = (*self.outbox[key][:-1], status)
        else:
            self.moved[key] = status


_UNDONE = ("pending", "taken")


def _refused_lease(commit: Sealed, stand: Stand) -> Refused | None:
    if stand.lease_owner is None or stand.lease_expires is None:
        return None
    if stand.lease_owner == commit.owner or stand.lease_expires <= commit.now:
        return None
    return LeaseHeld(commit.conversation, Owner(stand.lease_owner), stand.lease_expires)


def _refused_version(commit: Sealed, stand: Stand) -> Refused | None:
    if stand.version == commit.expected_version:
        return None
    return Conflict(commit.conversation, commit.expected_version, stand.version)


def _seen(found: StoredRequest, digest: str) -> Seen:
    if found.digest != digest:
        return Mismatch(Digest(found.digest))
    if not found.answered:
        return InFlight()
    return Erased() if found.response is None else Answered(found.response)


def _chained(commit: Sealed, stand: Stand) -> Iterator[tuple[int, str]]:
    """The place and the hash of each record."""
    previous, conversation = stand.last_hash, commit.conversation
    for sequence, record in enumerate(commit.records, stand.last_sequence + 1):
        previous = record_hash(
            previous, conversation, sequence, record.request_id, record.at, record.body, record.digests
        )
        yield sequence, previous


def _row(commit: Sealed, last: tuple[int, str]) -> Row:
    return Row(
        conversation=commit.conversation,
        version=commit.expected_version + 1,
        policy=commit.policy,
        policy_digest=commit.policy_digest,
        state=commit.state,
        open=commit.open,
        over=commit.over,
        last_sequence=last[0],
        last_hash=last[1],
    )


def _conversation_row(row: Row, lease: _Lease) -> tuple[Any, ...]:
    values = (row.version, row.policy, row.policy_digest, row.state, row.open, row.over)
    return (row.conversation, *values, *lease, row.last_sequence, row.last_hash)


def _erase(cursor: DBAPICursor, commit: Sealed) -> None:
    here = commit.conversation
    cursor.execute("DELETE FROM personal WHERE conversation = ?", (here,))
    cursor.execute("UPDATE requests SET response = NULL WHERE conversation = ? AND answered", (here,))
    done = "(status = 'done' OR key IN (SELECT value FROM json_each(?)))"
    cursor.execute(
        f"UPDATE outbox SET payload = NULL WHERE conversation = ? AND {done}", (here, json.dumps(commit.done))
    )
