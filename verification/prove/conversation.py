"""From a walk of the solver to a conversation: concrete events, and what the meaning of the program says of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from charter.dsl.program import Event, EventKind, Program
from charter.dsl.semantics import Outcome, replays
from charter.dsl.types import Type, Value
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.smt import Codes
from charter.verification.encode.symbols import Column, Layout, columns, reading
from charter.verification.encode.terms import Scalar, Sort
from charter.verification.prove.paths import Walk
from charter.verification.prove.unroll import at


@dataclass(frozen=True, slots=True)
class Replayed:
    """The meaning agrees: without incident up to the last of these events, in which the rules would break the goal."""

    events: tuple[Event, ...]
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Incident:
    """Something else is broken on the way."""

    goals: frozenset[str]


@dataclass(frozen=True, slots=True)
class Otherwise:
    """The meaning says otherwise, and how."""

    why: str


def events_of(encoder: Encoder, walk: Walk, codes: Codes) -> tuple[Event, ...]:
    """The events of a walk."""
    return tuple(_event(encoder, kind, i, walk.values, codes) for i, kind in enumerate(walk.kinds))


def replayed(program: Program, events: tuple[Event, ...], goal: str) -> Replayed | Incident | Otherwise:
    """What `dsl/semantics.py` says of a conversation that is to break a goal with its last event."""
    outcomes = tuple(replays(program, events))
    for number, (event, outcome) in enumerate(zip(events, outcomes, strict=True), 1):
        broken = frozenset(b.requirement for b in outcome.broken)
        if outcome.dropped is not None:
            return Otherwise(f"event {number}, `{event.kind}`, cannot come")
        if goal in broken:
            return Replayed(events[:number], outcomes[:number])
        if broken:
            return Incident(broken)
    return Otherwise(f"`{goal}` is not broken")


def _event(encoder: Encoder, kind: EventKind, i: int, values: Mapping[str, Scalar], codes: Codes) -> Event:
    fields = {name: _value(encoder, f"{kind}: {name}", t, i, values, codes) for name, t in _fields(encoder, kind)}
    now = values[at(encoder.graph, encoder.graph.var(f"{kind}: now", Sort.INT), i)]
    assert isinstance(now, int)
    return Event(kind, fields, now)


def _fields(encoder: Encoder, kind: EventKind) -> tuple[tuple[str, Type], ...]:
    return encoder.program.events[kind].fields


def _value(encoder: Encoder, name: str, type_: Type, i: int, values: Mapping[str, Scalar], codes: Codes) -> Value:
    layout = Layout(type_, 0, False)
    found = []
    for column in columns(layout, name):
        scalar = values.get(at(encoder.graph, encoder.graph.var(column.name, column.sort), i))
        if column.sort is Sort.OPAQUE:
            number = scalar if isinstance(scalar, int) else None
            found.append(_default(column) if number is None else codes.text(number, column.longest))
        else:
            found.append(_default(column) if scalar is None else scalar)
    return reading(layout, iter(found))


def _default(column: Column) -> Scalar:
    """A value for what does not matter."""
    if column.sort is Sort.BOOL:
        return False
    if column.sort is Sort.OPAQUE:
        return "…"[: column.longest]
    return min(max(0, column.low or 0), column.high if column.high is not None else 0)
