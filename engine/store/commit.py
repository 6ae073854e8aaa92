"""What a store holds and what one commit changes: the plain values that every store takes and gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, NewType, TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

ConversationId = NewType("ConversationId", str)
"""A UUID in its lower-case text form."""
RequestId = NewType("RequestId", str)
"""Chosen by the caller, unique within a conversation."""
Owner = NewType("Owner", str)
"""The replica that works on a turn."""
Digest = NewType("Digest", str)
"""A SHA-256 digest, 64 lower-case hexadecimal digits."""
IdempotencyKey = NewType("IdempotencyKey", str)
"""Names one outside effect, unique in the whole store."""

Status: TypeAlias = Literal["pending", "taken", "done"]


class Lease(NamedTuple):
    """`owner` alone may commit to the conversation until `expires`, milliseconds since the epoch."""

    owner: Owner
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One conversation as the last commit left it; `open` says that a turn is under way."""

    id: ConversationId
    version: int
    policy: str
    policy_digest: Digest
    state: Mapping[str, Json]
    open: bool
    over: bool
    lease: Lease | None
    last_sequence: int
    last_hash: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """One decided event for the audit log.

    `public` is hashed as it stands and is never erased. Each value of `personal` is hashed through a salted
    digest, so that it can be erased later; the paths themselves are public.
    """

    at: int
    public: Json
    request_id: RequestId | None = None
    personal: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A stored record: its place in the chain, and what is left of its personal values."""

    sequence: int
    at: int
    request_id: RequestId | None
    public: Json
    personal: Mapping[str, Json]
    erased: tuple[str, ...]
    previous: Digest
    hash: Digest


class NewRequest(NamedTuple):
    """A request is opened; the digest is of its body and tells a repeat from another request under the same id."""

    id: RequestId
    body_digest: Digest


class Answer(NamedTuple):
    """The response that every repeat of the request gets from now on."""

    id: RequestId
    response: bytes


@dataclass(frozen=True, slots=True)
class Unseen:
    """No request of this id is known."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """The request was opened and is not answered."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The request was answered with this response."""

    response: bytes


@dataclass(frozen=True, slots=True)
class Erased:
    """The request was answered, and the response was erased with the conversation's personal values."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Another request holds this id: its body has this digest."""

    body_digest: Digest


Seen: TypeAlias = InFlight | Answered | Erased | Mismatch
Requested: TypeAlias = Unseen | Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """An act to be carried out outside; `record` is the index, in the same commit, of the record that demands it.

    `due`, milliseconds since the epoch, is when it comes by itself or is waited for no longer.
    """

    key: IdempotencyKey
    kind: str
    payload: Mapping[str, Json]
    record: int = 0
    due: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """A stored act; `payload` is None once it was done and its conversation erased."""

    key: IdempotencyKey
    conversation: ConversationId
    sequence: int
    kind: str
    payload: Mapping[str, Json] | None
    status: Status
    due: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Everything one decision changes, written as a whole or not at all.

    `expected_version` is the version that was read, 0 for a conversation that does not exist yet. The values from
    `policy` to `lease` replace those of the conversation. `erase` deletes the personal values and salts of the
    records before this commit, the responses given before it and the payloads of acts that are done.
    """

    conversation: ConversationId
    expected_version: int
    owner: Owner
    now: int
    policy: str
    policy_digest: Digest
    state: Mapping[str, Json]
    open: bool = False
    over: bool = False
    lease: Lease | None = None
    records: tuple[NewRecord, ...] = ()
    requests: tuple[NewRequest, ...] = ()
    answers: tuple[Answer, ...] = ()
    outbox: tuple[NewEntry, ...] = ()
    taken: tuple[IdempotencyKey, ...] = ()
    done: tuple[IdempotencyKey, ...] = ()
    erase: bool = False

    def __post_init__(self) -> None:
        if self.lease is not None and self.lease.owner != self.owner:
            raise ValueError("a commit takes a lease for its own owner only")
        if self.outbox and any(not 0 <= entry.record < len(self.records) for entry in self.outbox):
            raise ValueError("an outbox entry belongs to a record of its own commit")
        if len(self.requests) > 1 and len({request.id for request in self.requests}) != len(self.requests):
            raise ValueError("a commit opens a request once")


class Committed(NamedTuple):
    """The commit is durable: the conversation's new version and the last record of its chain."""

    version: int
    last_sequence: int
    last_hash: Digest


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the keyed log over all conversations; kept elsewhere it is an anchor for a later verification."""

    position: int
    mac: Digest
