"""A conversation that shows something, made small: fewer events, plain times, plain values, and it still shows it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from charter.dsl.program import Event, EventInfo, EventKind
from charter.dsl.scenarios import EPOCH, PACE
from charter.dsl.types import (
    BagType,
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    IdType,
    IntType,
    OptionalType,
    RecordType,
    TextType,
    TimeType,
    Type,
    Value,
)

Shows = Callable[[tuple[Event, ...]], int | None]
"""How many events it takes until a conversation shows the thing; None where it does not."""

TRIES = 3000


def shrunk(kinds: Mapping[EventKind, EventInfo], events: tuple[Event, ...], shows: Shows) -> tuple[Event, ...]:
    """A conversation without a part that could be left out. INVARIANT: it shows what `events` shows."""
    return _Shrinking(kinds, events, shows).run()


class _Shrinking:
    """The smallest conversation so far."""

    def __init__(self, kinds: Mapping[EventKind, EventInfo], events: tuple[Event, ...], shows: Shows) -> None:
        self._kinds = kinds
        self._events = events
        self._shows = shows
        self._left = TRIES

    def run(self) -> tuple[Event, ...]:
        """Shrinks until nothing more helps."""
        self._try(self._events)  # cuts off what comes behind it
        before = None
        while before != self._events and self._left > 0:
            before = self._events
            self._leave_out()
            self._try(tuple(replace(event, now=EPOCH + i * PACE) for i, event in enumerate(self._events)))
            self._simplify()
        return self._events

    def _try(self, events: tuple[Event, ...]) -> bool:
        if not events or self._left <= 0:
            return False
        self._left -= 1
        length = self._shows(events)
        if length is not None:
            self._events = events[:length]
        return length is not None

    def _leave_out(self) -> None:
        """Leaves out runs of events: half of them, a quarter, and so on down to one."""
        size = len(self._events) // 2
        while size:
            at = len(self._events) - size
            while at >= 0:
                self._try(self._events[:at] + self._events[at + size :])
                at = min(at - 1, len(self._events)) if size == 1 else at - size
            size //= 2

    def _simplify(self) -> None:
        """Gives each field its plainest value that will do."""
        for at in range(len(self._events)):
            for name, type_ in self._kinds[self._events[at].kind].fields:
                for value in plainer(self._events[at].fields[name], type_):
                    event = self._events[at]
                    changed = replace(event, fields={**event.fields, name: value})
                    if self._try((*self._events[:at], changed, *self._events[at + 1 :])):
                        break
                if at >= len(self._events):
                    return


def plainer(value: Value, type_: Type) -> Iterator[Value]:
    """Values of the type that are plainer than this one, the plainest first."""
    for candidate in _plain(value, type_):
        if candidate == value:
            return
        yield candidate


def _plain(value: Value, type_: Type) -> Iterator[Value]:
    match type_:
        case OptionalType(of):
            yield None
            if value is not None:
                yield from plainer(value, of)
        case BoolType():
            yield False
        case IntType(low, high) | DecimalType(_, low, high):
            yield min(max(0, low), high)
            yield low
            yield high
        case EnumType(_, values):
            yield from values
        case TimeType():
            yield EPOCH
        case DurationType():
            yield from (0, PACE)
        case IdType():
            yield "a"
            yield "b"
        case TextType(limit):
            yield "x"[:limit]
        case BagType():
            yield ()
        case RecordType(_, fields) if isinstance(value, tuple):
            for i, (part, (_, field)) in enumerate(zip(value, fields, strict=True)):
                for candidate in plainer(part, field):
                    yield (*value[:i], candidate, *value[i + 1 :])
