"""The port to a store of conversations, and what callers do with any store."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from .commit import (
    Commit,
    Committed,
    Conversation,
    ConversationId,
    Digest,
    Head,
    Lease,
    OutboxEntry,
    Record,
    Requested,
    RequestId,
    Status,
)
from .errors import Conflict


class Store(Protocol):
    """Conversations, their audit log, the requests they answered and the acts they still owe.

    Every method may raise a `Fault`, and `load` and `records` may raise `Tampered`. What a commit's caller has seen
    succeed is durable and seen by every read that starts afterwards.
    """

    async def commit(self, commit: Commit) -> Committed:
        """All of the commit is durable, or a `Refused` was raised and none of it is written."""

    async def load(self, conversation: ConversationId) -> Conversation | None:
        """The conversation, or None where there is no such conversation."""

    async def records(
        self,
        conversation: ConversationId,
        request_id: RequestId | None = None,
        *,
        after: int = 0,
        limit: int | None = None,
    ) -> tuple[Record, ...]:
        """The records after a sequence number, in order: all, or those of one request."""

    async def request(self, conversation: ConversationId, request_id: RequestId, body_digest: Digest) -> Requested:
        """What became of a request with this body."""

    async def open_conversations(self, now: int, *, limit: int = 100) -> tuple[Conversation, ...]:
        """Conversations with a turn under way that nobody holds at `now`: what a crash left."""

    async def outbox(
        self, status: Status = "pending", *, conversation: ConversationId | None = None, limit: int = 100
    ) -> tuple[OutboxEntry, ...]:
        """Acts of this status, oldest first."""

    async def due(self, before: int, *, limit: int = 100) -> tuple[OutboxEntry, ...]:
        """Pending acts that are due before this time, the earliest first."""

    async def head(self) -> Head:
        """The end of the keyed log, to be kept elsewhere as an anchor."""

    async def close(self) -> None:
        """What was to be committed is; the store is of no further use."""


async def take_over(store: Store, conversation: ConversationId, lease: Lease, now: int) -> Conversation:
    """The conversation is leased to the new owner, and is as returned.

    A live lease of another owner raises `LeaseHeld`; a take-over by somebody else in between raises `Conflict`,
    as does a conversation that does not exist.
    """
    found = await store.load(conversation)
    if found is None:
        raise Conflict(conversation, 1, 0)
    commit = Commit(
        conversation=conversation,
        expected_version=found.version,
        owner=lease.owner,
        now=now,
        policy=found.policy,
        policy_digest=found.policy_digest,
        state=found.state,
        open=found.open,
        over=found.over,
        lease=lease,
    )
    committed = await store.commit(commit)
    return replace(found, version=committed.version, lease=lease)
