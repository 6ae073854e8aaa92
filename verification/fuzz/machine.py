"""Conversations as Hypothesis makes them: a state machine whose rules are what a hostile outside can do."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir, storage_directory
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from charter.dsl.program import Event, EventKind
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
from charter.verification.fuzz.play import Place, beginning
from charter.verification.generate.events import Outside, coming

LENGTH = 30  # events of a conversation

Goes = Callable[[Place, Event], Place | None]
"""Plays an event; None where the conversation ends with it."""


def conversations(world: Outside, goes: Goes, ends: Callable[[], None], *, count: int, seed: int) -> None:
    """Plays so many conversations, the same ones for the same seed. Where what `goes` says depends on more than the
    conversation, Hypothesis notices that sooner or later, and the others are left out."""
    program = world.program

    class Outsiders(RuleBasedStateMachine):
        """One conversation."""

        def __init__(self) -> None:
            super().__init__()
            self.place: Place | None = beginning(program)
            self.now = EPOCH

        def teardown(self) -> None:
            ends()

        def _go(self, kind: EventKind, fields: Mapping[str, Value], pause: int) -> None:
            if self.place is not None:
                ordered = {name: fields[name] for name, _ in program.events[kind].fields}
                self.place = goes(self.place, Event(kind, ordered, self.now))
            self.now += PACE + pause

        @rule(data=st.data(), pause=st.sampled_from((0, 0, 0, 1, 59_001, 90_000_000)))
        def something_that_can_come(self, data: st.DataObject, pause: int) -> None:
            """An answer that is awaited, or what the customer may do now."""
            can = list(coming(program, self.place.session.state, self.now)) if self.place else []
            if can:
                kind, given = data.draw(st.sampled_from(can))
                self._go(kind, {**data.draw(_fields(world, kind)), **given}, pause)

        @rule(data=st.data(), kind=st.sampled_from(list(program.events)))
        def anything_at_all(self, data: st.DataObject, kind: EventKind) -> None:
            """Out of turn, unasked, late or twice."""
            self._go(kind, data.draw(_fields(world, kind)), 0)

    limits = settings(
        max_examples=count,
        stateful_step_count=LENGTH,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    with suppress(Flaky), _nothing_stored():
        run_state_machine_as_test(seeded(seed)(Outsiders), settings=limits)


@contextmanager
def _nothing_stored() -> Iterator[None]:
    """Keeps Hypothesis from leaving a folder where the command was called: what it cannot store, it goes without."""
    home = storage_directory(intent_to_write=False).home_directory
    set_hypothesis_home_dir(os.devnull)
    try:
        yield
    finally:
        set_hypothesis_home_dir(home)


def _fields(world: Outside, kind: EventKind) -> st.SearchStrategy[dict[str, Value]]:
    fields = world.program.events[kind].fields
    return st.fixed_dictionaries({name: values(type_, world.mentioned) for name, type_ in fields})


def values(type_: Type, mentioned: Mapping[Type, tuple[Value, ...]]) -> st.SearchStrategy[Value]:
    """Values of a type: those that a policy mentions, and any."""
    fitting = mentioned.get(type_, ())
    every = _any(type_, mentioned)
    return st.one_of(st.sampled_from(fitting), every) if fitting else every


def _any(type_: Type, mentioned: Mapping[Type, tuple[Value, ...]]) -> st.SearchStrategy[Value]:
    match type_:
        case OptionalType(of):
            return st.one_of(st.none(), values(of, mentioned))
        case BoolType():
            return st.booleans()
        case IntType(low, high) | DecimalType(_, low, high):
            return st.integers(low, high)
        case EnumType(_, names):
            return st.sampled_from(names)
        case IdType():
            return st.sampled_from(("a", "b", "", "'\"\\{}\n"))
        case TextType(limit):
            return st.text("xyü'\"\\{}\n", max_size=min(limit, 8))
        case TimeType():
            return st.integers(0, 253_402_300_799_999)  # the years that can be written down
        case DurationType():
            return st.integers(-(2**31), 2**31)
        case RecordType(_, fields):
            return st.tuples(*(values(of, mentioned) for _, of in fields))
        case BagType(of):
            return st.lists(values(of, mentioned), max_size=2).map(tuple)
