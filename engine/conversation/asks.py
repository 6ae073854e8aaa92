"""What a turn asks of agents, and what comes back: plain values, whoever carries them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from charter.dsl.program import Agent
from charter.dsl.types import Value


class Reason(StrEnum):
    """Why an agent failed; the values of the field `reason` of every `A fails`."""

    LATE = "late"
    ERROR = "error"
    INVALID = "invalid"
    OPEN_CIRCUIT = "open_circuit"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question to an agent, and in its name to those after it.

    `until` is on the event loop's clock: whatever the agents' own deadlines, the question is late then.
    """

    id: str
    chain: tuple[Agent, ...]  # INVARIANT: not empty; all declare the fields of the first
    utterance: str
    language: str
    until: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one agent of the chain did with the question. `failed` is None for the one whose suggestion was taken."""

    agent: str
    failed: Reason | None
    detail: str
    took_ms: float


@dataclass(frozen=True, slots=True)
class Suggested:
    """A suggestion that fits the declared schema; the last attempt made it."""

    fields: Mapping[str, Value]
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """No agent of the chain had one; `reason` is that of the last."""

    reason: Reason
    attempts: tuple[Attempt, ...] = ()
