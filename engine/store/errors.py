"""Why a store did not do what it was asked: a commit was refused, what is stored is not what was written, or the store
cannot work.

After a refusal nothing of the commit is written. After a fault nothing is written either, except where the
database failed while it made the commit durable: then the version, read again, tells.
"""

from __future__ import annotations

from dataclasses import dataclass

from .commit import ConversationId, IdempotencyKey, Owner, RequestId, Seen


class StoreError(Exception):
    """Any error of a store."""


class Refused(StoreError):
    """A commit that does not fit what is stored; the store itself is well."""


@dataclass(eq=False)
class Conflict(Refused):
    """The conversation moved on since it was read."""

    conversation: ConversationId
    expected: int
    found: int

    def __str__(self) -> str:
        return f"conversation {self.conversation} is at version {self.found}, not {self.expected}"


@dataclass(eq=False)
class LeaseHeld(Refused):
    """Another owner works on the conversation."""

    conversation: ConversationId
    owner: Owner
    expires: int

    def __str__(self) -> str:
        return f"conversation {self.conversation} is leased to {self.owner} until {self.expires} ms"


@dataclass(eq=False)
class AlreadyRequested(Refused):
    """The request to be opened is known; `found` says what became of it."""

    conversation: ConversationId
    request_id: RequestId
    found: Seen

    def __str__(self) -> str:
        return f"request {self.request_id} of conversation {self.conversation} is known: {self.found}"


@dataclass(eq=False)
class NotInFlight(Refused):
    """The request to be answered was never opened, or is answered."""

    conversation: ConversationId
    request_id: RequestId

    def __str__(self) -> str:
        return f"request {self.request_id} of conversation {self.conversation} is not in flight"


@dataclass(eq=False)
class OutboxRefused(Refused):
    """One of these acts exists already, or is not there to be taken or marked done."""

    conversation: ConversationId
    keys: tuple[IdempotencyKey, ...]
    why: str

    def __str__(self) -> str:
        return f"outbox of conversation {self.conversation}: {self.why}: {', '.join(self.keys)}"


@dataclass(eq=False)
class Tampered(StoreError):
    """What is stored of a conversation is not what was written: somebody changed the database by hand."""

    conversation: ConversationId
    detail: str

    def __str__(self) -> str:
        return f"conversation {self.conversation} was tampered with: {self.detail}"


@dataclass(eq=False)
class Fault(StoreError):
    """The store at `where` cannot work; `detail` is the database's own word."""

    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


class Locked(Fault):
    """Another process held the write lock longer than the store waits."""


class DiskFull(Fault):
    """There is no room for the commit."""


class ReadOnly(Fault):
    """The database may be read but not written."""


class NotADatabase(Fault):
    """The file is not a database of Charter."""


class Missing(Fault):
    """There is no database, or it cannot be opened."""


class Corrupt(Fault):
    """A part of the database is damaged; what does not touch it still works."""


class NewerSchema(Fault):
    """The database was written by a newer version of Charter."""


class WrongKey(Fault):
    """The key is not the one that the store was written with, or the store's head is gone."""


class Closed(Fault):
    """The store was closed."""


class Unusable(Fault):
    """The database failed in a way that has no name of its own here."""


class KeyRefused(StoreError):
    """A key file is missing, of the wrong length, or readable by others."""
