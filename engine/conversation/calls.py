"""What a turn calls of tools, and what comes back: plain values, whoever carries them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from charter.dsl.program import Tool
from charter.dsl.types import Value
from charter.engine.conversation.asks import Attempt, Reason
from charter.engine.store import ConversationId, IdempotencyKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. The key is the same whenever this call is made, and no other call ever has it."""

    key: IdempotencyKey
    tool: Tool
    args: Mapping[str, Value]
    conversation: ConversationId
    language: str


@dataclass(frozen=True, slots=True)
class Returned:
    """The call was carried out; the fields are what it returned, without its arguments."""

    fields: Mapping[str, Value]
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class NotDone:
    """The call was not carried out, or nothing depends on whether it was."""

    reason: Reason
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsure:
    """The call may have been carried out."""

    attempts: tuple[Attempt, ...] = ()


Called: TypeAlias = Returned | NotDone | Unsure
