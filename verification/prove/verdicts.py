"""What is known of a goal in the end, and what is known of a whole policy."""

from dataclasses import dataclass
from typing import TypeAlias

from charter.dsl.program import Event
from charter.dsl.semantics import Outcome
from charter.dsl.source import Span


@dataclass(frozen=True, slots=True)
class Invariant:
    """What holds before every step, and keeps one case of a goal from being missed.

    SMT-LIB over `columns`, called `k0`, `k1`, …; it assumes that the goals in `beside` are not missed earlier.
    """

    case: str
    text: str
    columns: tuple[str, ...]
    beside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proved:
    """It holds in every conversation without an incident. `occasions`: conversations in which it matters, by number."""

    invariants: tuple[Invariant, ...]
    occasions: tuple[tuple[int, tuple[Event, ...]], ...] = ()

    @property
    def witness(self) -> tuple[Event, ...]:
        """The longest of the conversations in which it matters."""
        return max((events for _, events in self.occasions), key=len, default=())


@dataclass(frozen=True, slots=True)
class Refuted:
    """A conversation whose last event breaks it, with what each event did. `explored`: no conversation of at most so
    many events breaks it."""

    events: tuple[Event, ...]
    outcomes: tuple[Outcome, ...]
    explored: int

    @property
    def is_shortest(self) -> bool:
        """Whether no shorter conversation breaks it; else one may."""
        return self.explored == len(self.events) - 1


@dataclass(frozen=True, slots=True)
class Vacuous:
    """It holds because nothing ever happens that it is about."""

    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Neither was found. `explored`: no conversation of at most so many events breaks it."""

    why: str
    explored: int


Verdict: TypeAlias = Proved | Refuted | Vacuous | Unknown


@dataclass(frozen=True, slots=True)
class Result:
    """A goal with its verdict. One that holds in every policy has no place in a file."""

    name: str
    text: str
    cites: str | None
    span: Span | None
    verdict: Verdict
    seconds: float  # of the process that worked on it
    searched: int = 0  # how many questions about it had to be worked on anew
