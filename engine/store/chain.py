"""The arithmetic of the audit log: canonical JSON, salted digests, the hash chain and the keyed head. Pure.

A record's hash is `sha256(previous ‖ canonical [conversation, sequence, request, at, body, digests])`, where
body and digests are the stored texts. The head is `mac(n) = HMAC(key, mac(n-1) ‖ canonical entry(n))` over a log
with one entry a commit. Only the last mac is stored: with every mac in reach, a tail could be cut off the log and
the head set back to match.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from json.encoder import c_make_encoder, encode_basestring_ascii  # type: ignore[attr-defined]  # the stubs have it not
from typing import NamedTuple, NewType, TypeAlias

from .commit import (
    Answer,
    Commit,
    ConversationId,
    Digest,
    Head,
    IdempotencyKey,
    Json,
    Lease,
    NewRecord,
    NewRequest,
    Owner,
)

Key = NewType("Key", bytes)
"""32 secret bytes that are not kept in the database."""

Salt: TypeAlias = Callable[[], bytes]

GENESIS = Digest("0" * 64)
"""Stands for the hash before the first record of a conversation."""


class SealedValue(NamedTuple):
    """A personal value with the salt that hides it in its digest."""

    path: str
    value: str
    salt: bytes


class SealedRecord(NamedTuple):
    """A record as it is stored, all but its place in the chain."""

    at: int
    request_id: str | None
    body: str
    digests: str
    personal: tuple[SealedValue, ...]


class SealedEntry(NamedTuple):
    """An act of the outbox as it is stored; `record` as in `NewEntry`."""

    key: IdempotencyKey
    kind: str
    payload: str
    record: int
    due: int | None


class Sealed(NamedTuple):
    """A commit whose JSON is text and whose personal values are salted; nothing in it can fail to be stored."""

    conversation: ConversationId
    expected_version: int
    owner: Owner
    now: int
    policy: str
    policy_digest: Digest
    state: str
    open: bool
    over: bool
    lease: Lease | None
    records: tuple[SealedRecord, ...]
    requests: tuple[NewRequest, ...]
    answers: tuple[Answer, ...]
    outbox: tuple[SealedEntry, ...]
    taken: tuple[IdempotencyKey, ...]
    done: tuple[IdempotencyKey, ...]
    erase: bool


class Row(NamedTuple):
    """The part of a conversation's row that the head vouches for; leases come and go and are left out."""

    conversation: ConversationId
    version: int
    policy: str
    policy_digest: str
    state: str
    open: bool
    over: bool
    last_sequence: int
    last_hash: str


class LogEntry(NamedTuple):
    """One commit in the log over all conversations: where the conversation stood after it."""

    position: int
    conversation: ConversationId
    version: int
    last_sequence: int
    last_hash: str
    row_mac: Digest


def canonical(value: Json) -> str:
    """The one JSON text of a value: keys sorted, no blanks, ASCII; NaN and infinities are a `ValueError`."""
    return "".join(_chunks(value, 0))


def seal(commit: Commit, salt: Salt) -> Sealed:
    """The commit in its stored form; a value that is not JSON raises here, before anything is queued."""
    return Sealed(
        conversation=commit.conversation,
        expected_version=commit.expected_version,
        owner=commit.owner,
        now=commit.now,
        policy=commit.policy,
        policy_digest=commit.policy_digest,
        state=canonical(commit.state),
        open=commit.open,
        over=commit.over,
        lease=commit.lease,
        records=tuple([_seal_record(record, salt) for record in commit.records]),
        requests=commit.requests,
        answers=commit.answers,
        outbox=tuple([SealedEntry(e.key, e.kind, canonical(e.payload), e.record, e.due) for e in commit.outbox]),
        taken=commit.taken,
        done=commit.done,
        erase=commit.erase,
    )


def personal_digest(value: str, salt: bytes) -> str:
    """`sha256(salt ‖ value)`, of the value's canonical text."""
    return hashlib.sha256(salt + value.encode()).hexdigest()


def record_hash(
    previous: str, conversation: str, sequence: int, request_id: str | None, at: int, body: str, digests: str
) -> Digest:
    """The hash that binds a record to everything before it in its conversation."""
    hashed = canonical([conversation, sequence, request_id, at, body, digests])
    return Digest(hashlib.sha256((previous + hashed).encode()).hexdigest())


def first_head(key: Key) -> Head:
    """The head of an empty log."""
    return Head(0, _mac(key, "head", ""))


def next_head(key: Key, head: Head, entry: LogEntry) -> Head:
    """The head after one more entry: one HMAC, whatever the size of the store."""
    place: list[Json] = [entry.position, entry.conversation, entry.version]
    stand: list[Json] = [entry.last_sequence, entry.last_hash, entry.row_mac]
    return Head(entry.position, _mac(key, "head", head.mac + canonical(place + stand)))


def row_mac(key: Key, row: Row) -> Digest:
    """Vouches for a conversation's row; keyed, so that it tells nothing about a state that may be personal."""
    place: list[Json] = [row.conversation, row.version, row.policy, row.policy_digest]
    stand: list[Json] = [row.state, row.open, row.over, row.last_sequence, row.last_hash]
    return _mac(key, "row", canonical(place + stand))


def key_check(key: Key) -> Digest:
    """Tells whether a key is the one that a store was written with, and nothing else about it."""
    return _mac(key, "key", "")


def _mac(key: Key, purpose: str, message: str) -> Digest:
    return Digest(hmac.digest(key, f"charter {purpose} {message}".encode(), "sha256").hex())


def _seal_record(record: NewRecord, salt: Salt) -> SealedRecord:
    values = sorted(record.personal.items())
    personal = tuple(SealedValue(_storable(path), canonical(value), salt()) for path, value in values)
    digests = {value.path: personal_digest(value.value, value.salt) for value in personal}
    return SealedRecord(record.at, record.request_id, canonical(record.public), canonical(digests), personal)


def _storable(path: str) -> str:
    """The path, which a database can hold: a lone surrogate is no text, and raises `ValueError`."""
    path.encode("utf-8")
    return path


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is not JSON")


# `json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)` makes this for every value.
_chunks = c_make_encoder(None, _plain, encode_basestring_ascii, None, ":", ",", True, False, False)
