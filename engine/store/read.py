"""What is stored, read inside an open database transaction and parsed to the store's values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, TypeAlias, cast

from sqlalchemy import Connection, bindparam, or_, select

from .chain import Key, Row, personal_digest, record_hash, row_mac
from .commit import (
    Answered,
    Conversation,
    ConversationId,
    Digest,
    Erased,
    Head,
    IdempotencyKey,
    InFlight,
    Json,
    Lease,
    Mismatch,
    OutboxEntry,
    Owner,
    Record,
    Requested,
    RequestId,
    Status,
    Unseen,
)
from .errors import Tampered
from .tables import conversations, head, log, outbox, personal, records, requests

_Kept: TypeAlias = tuple[str, bytes]
"""A personal value's canonical text and its salt."""

_CONVERSATION = select(conversations).where(conversations.c.id == bindparam("id"))
_WRITTEN_LAST = (
    select(log.c.row_mac).where(log.c.conversation == bindparam("of")).order_by(log.c.position.desc()).limit(1)
)
_REQUEST = select(requests).where(requests.c.conversation == bindparam("of"), requests.c.request_id == bindparam("id"))


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation's row with its state still text; the fields are the columns in order."""

    id: str
    version: int
    policy: str
    policy_digest: str
    state: str
    open: bool
    over: bool
    lease_owner: str | None
    lease_expires: int | None
    last_sequence: int
    last_hash: str


def find_conversation(connection: Connection, conversation: ConversationId) -> ConversationRow | None:
    """The conversation's row as it is in this transaction, or None where there is no such conversation."""
    row = connection.execute(_CONVERSATION, {"id": conversation}).one_or_none()
    return None if row is None else ConversationRow(*row)


def find_request(
    connection: Connection, conversation: ConversationId, request_id: RequestId, body_digest: Digest
) -> Requested:
    """What became of a request with this body."""
    row = connection.execute(_REQUEST, {"of": conversation, "id": request_id}).one_or_none()
    if row is None:
        return Unseen()
    if row.body_digest != body_digest:
        return Mismatch(Digest(row.body_digest))
    if not row.answered:
        return InFlight()
    return Erased() if row.response is None else Answered(row.response)


def load_conversation(
    connection: Connection, conversation: ConversationId, key: Key | None = None
) -> Conversation | None:
    """The conversation, or None where there is no such conversation.

    With the key, `Tampered` where its row is not the one that was written last.
    """
    row = find_conversation(connection, conversation)
    if key is not None:
        _check_row(connection, conversation, row, key)
    return None if row is None else _conversation(row)


def list_open(connection: Connection, now: int, limit: int) -> tuple[Conversation, ...]:
    """Conversations with a turn under way that nobody holds at `now`; those left alone longest come first."""
    left = or_(conversations.c.lease_expires.is_(None), conversations.c.lease_expires <= now)
    found = connection.execute(
        select(conversations)
        .where(conversations.c.open.is_(True), left)
        .order_by(conversations.c.lease_expires.nulls_first(), conversations.c.id)
        .limit(limit)
    )
    return tuple(_conversation(ConversationRow(*row)) for row in found)


def list_records(
    connection: Connection, conversation: ConversationId, request_id: RequestId | None, after: int, limit: int | None
) -> tuple[Record, ...]:
    """Records in order, each with the personal values it still has; `Tampered` where one is not as it was written."""
    query = select(records).where(records.c.conversation == conversation, records.c.sequence > after)
    if request_id is not None:
        query = query.where(records.c.request_id == request_id)
    rows = connection.execute(query.order_by(records.c.sequence).limit(limit)).all()
    kept = _personal(connection, conversation, rows[0].sequence, rows[-1].sequence) if rows else {}
    return tuple(_record(row, kept.get(row.sequence, {})) for row in rows)


def list_outbox(
    connection: Connection, status: Status, conversation: ConversationId | None, limit: int
) -> tuple[OutboxEntry, ...]:
    """Acts of this status, oldest first."""
    query = select(outbox).where(outbox.c.status == status)
    if conversation is not None:
        query = query.where(outbox.c.conversation == conversation)
    return tuple(_entry(row) for row in connection.execute(query.order_by(outbox.c.id).limit(limit)))


def list_due(connection: Connection, before: int, limit: int) -> tuple[OutboxEntry, ...]:
    """Pending acts that are due before this time, the earliest first."""
    query = select(outbox).where(outbox.c.status == "pending", outbox.c.due < before)
    return tuple(_entry(row) for row in connection.execute(query.order_by(outbox.c.due, outbox.c.id).limit(limit)))


def read_head(connection: Connection) -> Head:
    """The end of the log over all conversations."""
    row = connection.execute(select(head.c.position, head.c.mac)).one()
    return Head(row.position, Digest(row.mac))


def _check_row(connection: Connection, conversation: ConversationId, row: ConversationRow | None, key: Key) -> None:
    written = connection.execute(_WRITTEN_LAST, {"of": conversation}).scalar_one_or_none()
    if written is None and row is None:
        return
    if row is None:
        raise Tampered(conversation, "its row was removed")
    sealed = Row(
        conversation=conversation,
        version=row.version,
        policy=row.policy,
        policy_digest=row.policy_digest,
        state=row.state,
        open=row.open,
        over=row.over,
        last_sequence=row.last_sequence,
        last_hash=row.last_hash,
    )
    if written is None or not compare_digest(written, row_mac(key, sealed)):
        raise Tampered(conversation, "its row was changed")


def _conversation(row: ConversationRow) -> Conversation:
    held = row.lease_owner is not None and row.lease_expires is not None
    return Conversation(
        id=ConversationId(row.id),
        version=row.version,
        policy=row.policy,
        policy_digest=Digest(row.policy_digest),
        state=cast("Mapping[str, Json]", json.loads(row.state)),
        open=row.open,
        over=row.over,
        lease=Lease(Owner(cast("str", row.lease_owner)), cast("int", row.lease_expires)) if held else None,
        last_sequence=row.last_sequence,
        last_hash=Digest(row.last_hash),
    )


def _personal(connection: Connection, conversation: str, first: int, last: int) -> dict[int, dict[str, _Kept]]:
    kept: dict[int, dict[str, _Kept]] = {}
    query = select(personal.c.sequence, personal.c.path, personal.c.value, personal.c.salt).where(
        personal.c.conversation == conversation, personal.c.sequence.between(first, last)
    )
    for sequence, path, value, salt in connection.execute(query):
        kept.setdefault(sequence, {})[path] = (value, salt)
    return kept


def _record(row: Any, kept: Mapping[str, _Kept]) -> Record:
    own = record_hash(row.previous, row.conversation, row.sequence, row.request_id, row.at, row.body, row.digests)
    if own != row.hash:
        raise Tampered(ConversationId(row.conversation), f"record {row.sequence} was changed")
    digests = json.loads(row.digests)
    if any(digests.get(path) != personal_digest(value, salt) for path, (value, salt) in kept.items()):
        raise Tampered(ConversationId(row.conversation), f"a personal value of record {row.sequence} was changed")
    return Record(
        sequence=row.sequence,
        at=row.at,
        request_id=None if row.request_id is None else RequestId(row.request_id),
        public=json.loads(row.body),
        personal={path: json.loads(value) for path, (value, _) in kept.items()},
        erased=tuple(path for path in digests if path not in kept),
        previous=Digest(row.previous),
        hash=Digest(row.hash),
    )


def _entry(row: Any) -> OutboxEntry:
    return OutboxEntry(
        key=IdempotencyKey(row.key),
        conversation=ConversationId(row.conversation),
        sequence=row.sequence,
        kind=row.kind,
        payload=None if row.payload is None else json.loads(row.payload),
        status=row.status,
        due=row.due,
    )
