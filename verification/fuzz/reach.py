"""What a fuzzed conversation reaches: rules, branches, requirements, and marks of what was never seen before."""

import operator
from bisect import bisect
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import reduce
from itertools import chain, compress
from typing import TypeAlias

from charter.dsl.program import (
    FALSE,
    TRUE,
    And,
    Arrival,
    EventKind,
    Program,
    Read,
    Requirement,
    State,
    Variable,
    Watch,
)
from charter.dsl.semantics import step
from charter.dsl.session import Step
from charter.dsl.types import (
    BOOL,
    BagType,
    DecimalType,
    DurationType,
    IntType,
    OptionalType,
    RecordType,
    TextType,
    TimeType,
    Type,
    Value,
)
from charter.verification.prove.trigger import armed, occasions

Feature: TypeAlias = tuple[Hashable, ...]
Branch: TypeAlias = tuple[str, EventKind]  # a rule on one kind of event
OccasionKey: TypeAlias = tuple[str, int]  # an occasion of a requirement, by its number among them

FEW = 16  # a number with at most so many values is seen as it is


@dataclass(slots=True)
class Reached:
    """What was reached so far, of all that can be."""

    rules: set[str] = field(default_factory=set)
    branches: set[Branch] = field(default_factory=set)
    triggered: set[str] = field(default_factory=set)  # requirements: what they are about has happened
    served: set[str] = field(default_factory=set)  # … and was as they say
    broken: set[str] = field(default_factory=set)

    def add(self, taken: Step) -> None:
        """One more step; what is broken in it was triggered."""
        self.rules.update(taken.outcome.fired)
        self.branches.update((rule, taken.event.kind) for rule in taken.outcome.fired)
        broken = {broken.requirement for broken in taken.outcome.broken}
        self.broken |= broken
        self.triggered |= broken

    def with_(self, other: "Reached") -> "Reached":
        """What either reached."""
        return Reached(*(getattr(self, part.name) | getattr(other, part.name) for part in fields(self)))


def branches_of(program: Program) -> set[Branch]:
    """Every branch of a program."""
    return {(c.rule, kind) for kind, strata in program.strata.items() for stratum in strata for c in stratum}


# --- marks -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Marks:
    """What of a step is worth coming back to.

    `thresholds`: the numbers that a policy compares values of a type with. `debts`: what holds while something is owed.
    `read`: the variables that anything depends on.
    """

    program: Program
    thresholds: Mapping[Type, tuple[int, ...]]
    debts: tuple[Variable, ...]
    read: frozenset[Variable]

    def features(self, before: State, taken: Step) -> Iterator[Feature]:
        """What a step shows: rules, acts, and values that variables get."""
        kind, outcome = taken.event.kind, taken.outcome
        yield from (("fires", rule, kind) for rule in outcome.fired)
        yield from (("overridden", rule, kind) for rule in outcome.overridden)
        yield from (("does", act.kind, act.name) for act in outcome.acts)
        yield from (("owing", debt, kind) for debt in self.debts if outcome.state[debt])
        for name in _changed(outcome.state, before, outcome.state):
            yield ("value", name, self._seen(outcome.state[name], self.program.variables[name].type))

    def mark(self, state: State) -> int:
        """The mark of a state. States that differ in times and texts only have one mark, and two others hardly ever."""
        every = ((name, self._seen(state[name], self.program.variables[name].type)) for name in self.read)
        return reduce(operator.xor, map(hash, every), 0)

    def moved(self, mark: int, before: State, after: State) -> int:
        """The mark of a state, from the mark of the one before."""
        for name in _changed(self.read, before, after):
            type_ = self.program.variables[name].type
            mark ^= hash((name, self._seen(before[name], type_))) ^ hash((name, self._seen(after[name], type_)))
        return mark

    def _seen(self, value: Value, type_: Type) -> Hashable:
        match type_:
            case OptionalType(of):
                return None if value is None else self._seen(value, of)
            case RecordType(_, parts) if isinstance(value, tuple):
                return tuple(self._seen(part, of) for part, (_, of) in zip(value, parts, strict=True))
            case BagType() if isinstance(value, tuple):
                return min(len(value), 2)
            case IntType(low, high) if high - low < FEW:
                return value
            case IntType() | DecimalType() if isinstance(value, int):
                return bisect(self.thresholds.get(type_, ()), value)
            case TimeType() | DurationType() | TextType():
                return "known"
            case _:
                return value if not isinstance(value, tuple) else len(value)


def _changed(names: Collection[Variable], before: State, after: State) -> Iterator[Variable]:
    """Those of the variables that may hold something else; without a loop, since there are many and few do."""
    return compress(names, map(operator.is_not, map(after.__getitem__, names), map(before.__getitem__, names)))


def marks(program: Program, mentioned: Mapping[Type, tuple[Value, ...]]) -> Marks:
    """The marks of a program whose guards mention these values."""
    numbers = {t: tuple(sorted(v for v in vs if isinstance(v, int))) for t, vs in mentioned.items()}
    debts = (ghost for r in program.requirements for watch in r.watches for ghost in armed(program, watch.broken))
    thresholds: dict[Type, tuple[int, ...]] = {t: found for t, found in numbers.items() if found}
    what = (program.strata, program.requirements, program.bookkeeping, program.events, program.waiting)
    read = {node.variable for node in nodes(what) if isinstance(node, Read)}
    return Marks(program, thresholds, tuple(dict.fromkeys(debts)), frozenset(read))


def nodes(of: object) -> Iterator[object]:
    """A piece of a program, and everything that it is made of."""
    yield of
    if isinstance(of, Mapping):
        for item in of.values():
            yield from nodes(item)
    elif isinstance(of, tuple):
        for item in of:
            yield from nodes(item)
    elif is_dataclass(of):
        for part in fields(of):
            yield from nodes(getattr(of, part.name))


# --- requirements ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Observer:
    """A program whose requirements only observe: `broken` means seen."""

    program: Program
    triggers: Mapping[str, OccasionKey]  # by the name of an observing requirement
    serves: Mapping[str, str]  # whose service an observing requirement sees
    plain: frozenset[str]  # requirements that are served where they are triggered and not broken

    def see(self, before: State, taken: Step, reached: Reached) -> tuple[OccasionKey, ...]:
        """Adds the requirements that were triggered and served in a step from `before`; the occasions that it is."""
        if taken.outcome.dropped is not None:
            return ()
        broken = {b.requirement for b in taken.outcome.broken}
        observed = {found.requirement for found in step(self.program, before, taken.event).broken}
        occurring = tuple(self.triggers[sign] for sign in observed if sign in self.triggers)
        reached.triggered.update(name for name, _ in occurring)
        reached.served.update(self.serves[sign] for sign in observed if sign in self.serves)
        reached.served.update(name for name, _ in occurring if name in self.plain and name not in broken)
        return occurring


def observer(program: Program) -> Observer:
    """Observes what happens to each requirement."""
    observing: list[Requirement] = []
    triggers: dict[str, OccasionKey] = {}
    serves: dict[str, str] = {}
    plain: set[str] = set()
    for requirement in program.requirements:
        name, triggering, pays = requirement.name, _triggers(program, requirement), _pays(program, requirement)
        for i, watch in enumerate(requirement.watches):  # each is observed just before it updates what is remembered
            for number, probe in triggering.get(i, ()):
                triggers[f"{name} triggered {number}"] = name, number
                observing.append(replace(requirement, name=f"{name} triggered {number}", watches=(probe,)))
            if i in pays:
                serves[f"{name} served"] = name
                observing.append(replace(requirement, name=f"{name} served", watches=(pays[i],)))
            observing.append(replace(requirement, watches=(replace(watch, broken=FALSE),)))
        if not pays:
            plain.add(name)
    return Observer(replace(program, requirements=tuple(observing)), triggers, serves, frozenset(plain))


def _triggers(program: Program, requirement: Requirement) -> dict[int, list[tuple[int, Watch]]]:
    """What a requirement is about, as observations before its watches, by their number: of which occasion each is."""
    found: dict[int, list[tuple[int, Watch]]] = {}
    for occasion in chain.from_iterable(occasions(program, requirement)):
        place = 0
        for watch in occasion.probe.watches:
            if watch.broken == TRUE:
                found.setdefault(place, []).append((occasion.number, watch))
            else:
                place += 1
    return found


def _pays(program: Program, requirement: Requirement) -> dict[int, Watch]:
    """Where a debt is paid, or an open bracket is closed, by the number of the watch. A hang-up only excuses."""
    open_ = frozenset(ghost for watch in requirement.watches for ghost in armed(program, watch.broken))
    found: dict[int, Watch] = {}
    for i, watch in enumerate(requirement.watches):
        closed = [name for name, value in watch.updates if name in open_ and value == FALSE]
        if closed and watch.moment != Arrival(frozenset((EventKind("hangup"),))):
            found[i] = Watch(watch.moment, And((watch.when, *(Read(name, BOOL) for name in closed))), TRUE)
    return found
