"""One commit inside an open database transaction: what is refused, then what is written."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import Connection, Table, bindparam, delete, insert, or_, select, update

from .chain import GENESIS, Row, Sealed, record_hash
from .commit import Answer, Commit, Committed, Digest, IdempotencyKey, Owner, Unseen
from .errors import AlreadyRequested, Conflict, LeaseHeld, NotInFlight, OutboxRefused
from .read import ConversationRow, find_conversation, find_request
from .tables import conversations, outbox, personal, records, requests

Rows: TypeAlias = "list[dict[str, Any]]"  # parameters of one statement, column by column

_UPDATE = update(conversations).where(
    conversations.c.id == bindparam("found_id"), conversations.c.version == bindparam("found_version")
)
_ANSWER = (
    update(requests)
    .where(requests.c.conversation == bindparam("of"), requests.c.request_id == bindparam("id"))
    .where(requests.c.answered.is_(False))
    .values(answered=True, response=bindparam("bytes"))
)


def write_commit(connection: Connection, sealed: Sealed) -> tuple[Committed, Row]:
    """The commit is written, and the conversation's row is as returned; or a `Refused` was raised.

    After a `Refused` the caller undoes what was written of this commit.
    """
    commit = sealed.commit
    found = find_conversation(connection, commit.conversation)
    _refuse_requests(connection, commit)
    _refuse_lease(commit, found)
    if (version := found.version if found else 0) != commit.expected_version:
        raise Conflict(commit.conversation, commit.expected_version, version)
    first = found.last_sequence + 1 if found else 1
    if commit.erase:
        _erase(connection, commit)
    rows = _record_rows(sealed, first, found.last_hash if found else GENESIS)
    row = _row(sealed, found, rows)
    _write_conversation(connection, commit, row)
    _write_records(connection, sealed, rows)
    _write_requests(connection, commit)
    _write_outbox(connection, sealed, first)
    committed = Committed(version=row.version, last_sequence=row.last_sequence, last_hash=Digest(row.last_hash))
    return committed, row


def _refuse_requests(connection: Connection, commit: Commit) -> None:
    for request in commit.requests:
        found = find_request(connection, commit.conversation, request.id, request.body_digest)
        if not isinstance(found, Unseen):
            raise AlreadyRequested(commit.conversation, request.id, found)


def _refuse_lease(commit: Commit, found: ConversationRow | None) -> None:
    if found is None or found.lease_owner is None or found.lease_expires is None:
        return
    if found.lease_owner != commit.owner and found.lease_expires > commit.now:
        raise LeaseHeld(commit.conversation, Owner(found.lease_owner), found.lease_expires)


def _record_rows(sealed: Sealed, first: int, previous: str) -> Rows:
    rows: Rows = []
    conversation = sealed.commit.conversation
    for sequence, record in enumerate(sealed.records, first):
        own = record_hash(previous, conversation, sequence, record.request_id, record.at, record.body, record.digests)
        rows.append(
            {
                "conversation": conversation,
                "sequence": sequence,
                "request_id": record.request_id,
                "at": record.at,
                "body": record.body,
                "digests": record.digests,
                "previous": previous,
                "hash": own,
            }
        )
        previous = own
    return rows


def _row(sealed: Sealed, found: ConversationRow | None, rows: Rows) -> Row:
    commit = sealed.commit
    if rows:
        last_sequence, last_hash = rows[-1]["sequence"], rows[-1]["hash"]
    else:
        last_sequence, last_hash = (found.last_sequence, found.last_hash) if found else (0, GENESIS)
    return Row(
        conversation=commit.conversation,
        version=commit.expected_version + 1,
        policy=commit.policy,
        policy_digest=commit.policy_digest,
        state=sealed.state,
        open=commit.open,
        over=commit.over,
        last_sequence=last_sequence,
        last_hash=last_hash,
    )


def _write_conversation(connection: Connection, commit: Commit, row: Row) -> None:
    values = {
        "version": row.version,
        "policy": row.policy,
        "policy_digest": row.policy_digest,
        "state": row.state,
        "open": row.open,
        "over": row.over,
        "lease_owner": commit.lease.owner if commit.lease else None,
        "lease_expires": commit.lease.expires if commit.lease else None,
        "last_sequence": row.last_sequence,
        "last_hash": row.last_hash,
    }
    if commit.expected_version == 0:
        connection.execute(insert(conversations), {"id": row.conversation, **values})
        return
    where = {"found_id": row.conversation, "found_version": commit.expected_version}
    if connection.execute(_UPDATE, {**values, **where}).rowcount != 1:
        raise Conflict(commit.conversation, commit.expected_version, row.version)


def _write_records(connection: Connection, sealed: Sealed, rows: Rows) -> None:
    _insert(connection, records, rows)
    values = [
        {
            "conversation": row["conversation"],
            "sequence": row["sequence"],
            "path": value.path,
            "value": value.value,
            "salt": value.salt,
        }
        for row, record in zip(rows, sealed.records, strict=True)
        for value in record.personal
    ]
    _insert(connection, personal, values)


def _write_requests(connection: Connection, commit: Commit) -> None:
    opened = [
        {
            "conversation": commit.conversation,
            "request_id": request.id,
            "body_digest": request.body_digest,
            "answered": False,
        }
        for request in commit.requests
    ]
    _insert(connection, requests, opened)
    for answer in commit.answers:
        _answer(connection, commit, answer)


def _answer(connection: Connection, commit: Commit, answer: Answer) -> None:
    values = {"of": commit.conversation, "id": answer.id, "bytes": answer.response}
    if connection.execute(_ANSWER, values).rowcount != 1:
        raise NotInFlight(commit.conversation, answer.id)


def _write_outbox(connection: Connection, sealed: Sealed, first: int) -> None:
    commit = sealed.commit
    if commit.outbox:
        _refuse_keys(connection, commit)
    entries = [
        {
            "conversation": commit.conversation,
            "sequence": first + entry.record,
            "kind": entry.kind,
            "payload": payload,
            "key": entry.key,
            "status": "pending",
        }
        for entry, payload in zip(commit.outbox, sealed.payloads, strict=True)
    ]
    _insert(connection, outbox, entries)
    _advance(connection, commit, commit.taken, ("pending",), "taken")
    _advance(connection, commit, commit.done, ("pending", "taken"), "done")


def _refuse_keys(connection: Connection, commit: Commit) -> None:
    keys = [entry.key for entry in commit.outbox]
    known = connection.scalars(select(outbox.c.key).where(outbox.c.key.in_(keys))).all()
    if known or len(set(keys)) != len(keys):
        raise OutboxRefused(commit.conversation, tuple(map(IdempotencyKey, known or keys)), "the key is used already")


def _advance(
    connection: Connection, commit: Commit, keys: tuple[IdempotencyKey, ...], before: tuple[str, ...], after: str
) -> None:
    if not keys:
        return
    moved = connection.execute(
        update(outbox)
        .where(outbox.c.conversation == commit.conversation, outbox.c.key.in_(keys), outbox.c.status.in_(before))
        .values(status=after)
    )
    if moved.rowcount != len(keys):
        raise OutboxRefused(commit.conversation, keys, f"not all are there to become {after}")


def _erase(connection: Connection, commit: Commit) -> None:
    here = commit.conversation
    connection.execute(delete(personal).where(personal.c.conversation == here))
    connection.execute(
        update(requests).where(requests.c.conversation == here, requests.c.answered.is_(True)).values(response=None)
    )
    done = or_(outbox.c.status == "done", outbox.c.key.in_(commit.done))
    connection.execute(update(outbox).where(outbox.c.conversation == here, done).values(payload=None))


def _insert(connection: Connection, table: Table, rows: Rows) -> None:
    if rows:
        connection.execute(insert(table), rows)
