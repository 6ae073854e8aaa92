"""Random events for a program: what may well happen, with values that its guards look for, and what cannot happen."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import chain
from random import Random
from types import MappingProxyType

from charter.dsl.program import (
    OVER,
    And,
    Compare,
    Const,
    Event,
    EventInfo,
    EventKind,
    Expr,
    Opening,
    Program,
    Read,
    State,
    Variable,
)
from charter.dsl.semantics import Outcome, possible, trusted
from charter.dsl.types import (
    DURATION_MAX,
    TIME_MAX,
    TIME_MIN,
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
    inhabits,
)

START = 1_767_225_600_000  # 2026-01-01T00:00:00Z
PAUSES = (0, 0, 1, 900, 1_000, 1_000, 5_000, 60_001, 3_600_000, 90_000_000)

Step = Callable[[Program, State, Event], Outcome]


@dataclass(frozen=True, slots=True)
class Outside:
    """What can come to a program from outside: how likely each kind of event is, and values that its guards mention,
    for each type of a field. `gates`: the kinds that come only where one of some variables holds anything."""

    program: Program
    weights: Mapping[EventKind, float]
    mentioned: Mapping[Type, tuple[Value, ...]]
    gates: Mapping[tuple[Variable, ...], tuple[EventKind, ...]]

    def ungated(self, state: State) -> list[EventKind]:
        """The kinds that may come in a state, for all that is seen at a glance."""
        holding = {name for name in chain.from_iterable(self.gates) if state[name]}
        ungated = (kinds for gate, kinds in self.gates.items() if not gate or not holding.isdisjoint(gate))
        return list(chain.from_iterable(ungated))


@dataclass(frozen=True, slots=True)
class Taken:
    """An event that was given to an executor, the state that it came in, and what came of it."""

    state: State
    event: Event
    outcome: Outcome


def outside(program: Program) -> Outside:
    """What can come to this program."""
    weights = {kind: _weight(kind, info, program) for kind, info in program.events.items()}
    mentioned = tuple(dict.fromkeys(_mentioned((program.strata, program.requirements, program.assumptions))))
    types = {type_ for info in program.events.values() for _, field in info.fields for type_ in _within(field)}
    gates: dict[tuple[Variable, ...], list[EventKind]] = {}
    for info in program.events.values():
        gates.setdefault(_gate(program, info), []).append(info.kind)
    fitting = {type_: _fitting(type_, mentioned) for type_ in types}
    return Outside(program, weights, fitting, {gate: tuple(kinds) for gate, kinds in gates.items()})


def narrowed(world: Outside, kinds: Collection[EventKind], asked: Iterable[Expr]) -> Outside:
    """The same, where only these kinds come, mostly with values that these guards mention."""
    mentioned = tuple(dict.fromkeys(_mentioned(tuple(asked))))
    fitting = {type_: _fitting(type_, mentioned) or values for type_, values in world.mentioned.items()}
    weights = {kind: world.weights[kind] for kind in kinds}
    gates = {gate: tuple(kind for kind in gated if kind in weights) for gate, gated in world.gates.items()}
    gates = {gate: gated for gate, gated in gates.items() if gated}
    return replace(world, weights=weights, mentioned=fitting, gates=gates)


def conversation(rng: Random, world: Outside, step: Step, *, length: int, hostile: float = 0.05) -> Iterator[Taken]:
    """A random conversation of so many events at the most; a share of them is `hostile`.

    It ends earlier where nothing more can come, after one more event that tries.
    """
    state, now, last = world.program.initial, START, None
    for _ in range(length):
        now += rng.choice(PAUSES)
        event = None if rng.random() < hostile else likely(rng, world, state, now)
        ended = event is None and bool(state[OVER])
        if event is None:
            event = Event(last.kind, last.fields, now) if last and rng.random() < 0.3 else unlikely(rng, world, now)
        outcome = step(world.program, state, event)
        yield Taken(state, event, outcome)
        if ended and outcome.dropped is not None:
            return
        state, last = outcome.state, event


def likely(rng: Random, world: Outside, state: State, now: int) -> Event | None:
    """An event that can come in this state, and that the policy's assumptions allow; None where there is none."""
    order = sorted(world.ungated(state), key=lambda kind: rng.random() ** (1 / world.weights[kind]), reverse=True)
    for kind in order:
        answered = _answered(rng, world.program, kind, state)
        if answered is None or not possible(world.program, state, Event(kind, answered, now)):
            continue
        event = Event(kind, {**_fields(rng, world.program.events[kind], world), **answered}, now)
        if trusted(world.program, state, event):
            return event
    return None


def unlikely(rng: Random, world: Outside, now: int) -> Event:
    """Any event with any values, whether it can come or not."""
    info = rng.choice(list(world.program.events.values()))
    return Event(info.kind, _fields(rng, info, world), now)


def coming(program: Program, state: State, now: int) -> Iterator[tuple[EventKind, Mapping[str, Value]]]:
    """The kinds of events that can come, each with the arguments of the call that it answers."""
    for kind in program.events:
        for given in _calls(program, kind, state):
            if possible(program, state, Event(kind, given, now)):
                yield kind, given


def any_value(rng: Random, type_: Type, mentioned: Mapping[Type, tuple[Value, ...]] = MappingProxyType({})) -> Value:
    """A value of the type: one that is mentioned or next to it, one at its bounds, or any."""
    if isinstance(type_, OptionalType):
        return None if rng.random() < 0.25 else any_value(rng, type_.of, mentioned)
    fitting = mentioned.get(type_, ())
    if fitting and rng.random() < 0.6:
        return rng.choice(fitting)
    match type_:
        case BoolType():
            return rng.random() < 0.5
        case IntType(low, high) | DecimalType(_, low, high):
            near = {low, low + 1, 0, 1, high - 1, high, rng.randint(low, high)}
            near |= {n + by for n in fitting if isinstance(n, int) for by in (-1, 1)}
            return rng.choice(sorted(n for n in near if low <= n <= high))
        case TimeType():
            close = (START - 1, START, START + 1, START + 86_400_000, START - 10_000_000_000)
            return rng.choice((*close, 0, TIME_MIN, TIME_MAX))
        case DurationType():
            return rng.choice((0, 1, 999, 1_000, 5_000, 3_600_000, -1_000, DURATION_MAX, -DURATION_MAX))
        case EnumType(_, values):
            return rng.choice(values)
        case IdType():
            return rng.choice(("a", "b", "", "'\"\\{}\n"))
        case TextType(limit):
            return rng.choice(("", "x", "grüß dich", "y" * min(limit, 40)))[:limit]
        case RecordType(_, of):
            return tuple(any_value(rng, field, mentioned) for _, field in of)
        case BagType(of):
            return tuple(any_value(rng, of, mentioned) for _ in range(rng.randrange(3)))


def _fields(rng: Random, info: EventInfo, world: Outside) -> dict[str, Value]:
    return {name: any_value(rng, type_, world.mentioned) for name, type_ in info.fields}


def _answered(rng: Random, program: Program, kind: EventKind, state: State) -> Mapping[str, Value] | None:
    """The arguments of an open or uncertain call that an answer of this kind is about; None where there is none."""
    calls = list(_calls(program, kind, state))
    return rng.choice(calls) if len(calls) > 1 else calls[0] if calls else None


def _calls(program: Program, kind: EventKind, state: State) -> Iterator[Mapping[str, Value]]:
    """The arguments of each open or uncertain call that an answer of this kind may be about; none, where it answers no
    call."""
    tool = program.tools.get(kind.split(" ")[0])
    if tool is None:
        yield {}
        return
    for bag in (state[name] for name in _calls_of(tool.name)):
        for call in bag if isinstance(bag, tuple) else ():
            assert isinstance(call, tuple)
            yield dict(zip((name for name, _ in tool.args), call, strict=True))


def _calls_of(tool: str) -> tuple[Variable, ...]:
    """The open and the uncertain calls of a tool."""
    return Variable(f"calls {tool}"), Variable(f"uncertain {tool}")


def _gate(program: Program, info: EventInfo) -> tuple[Variable, ...]:
    """Variables of which one must hold anything before an event can come."""
    tool = program.tools.get(info.kind.split(" ")[0])
    if tool is not None:
        return _calls_of(tool.name)
    parts = info.possible.parts if isinstance(info.possible, And) else (info.possible,)
    return tuple(part.variable for part in parts if isinstance(part, Read))[-1:]  # the last says the most


def _within(type_: Type) -> Iterator[Type]:
    """A type and those that it is made of."""
    yield type_
    match type_:
        case OptionalType(of) | BagType(of):
            yield from _within(of)
        case RecordType(_, fields_):
            for _, field in fields_:
                yield from _within(field)


def _fitting(type_: Type, consts: Iterable[Const]) -> tuple[Value, ...]:
    """The values that a type has, of constants of its kind."""
    kind = EnumType if isinstance(type_, EnumType) else (IdType, TextType)
    alike = [c.value for c in consts if not isinstance(c.value, str) or isinstance(c.type, kind)]
    return tuple(dict.fromkeys(value for value in alike if inhabits(value, type_)))


def _weight(kind: str, info: EventInfo, program: Program) -> float:
    """Answers come before long; few conversations are hung up, and not each transfer succeeds."""
    first = kind.split(" ")[0]
    if info.ends:
        return 0.15 if kind == "hangup" else 0.5
    if first in program.agents or first in program.tools:
        return 3 if kind in program.agents or kind in program.tools else 1.5
    if info.opening is Opening.JOINS:
        return 0.4
    return {"utterance": 4, "escalate": 3, "timer": 6, "collected": 14, "collect": 14}.get(first, 1)


def _mentioned(node: object) -> Iterator[Const]:
    """Every constant that something is compared with."""
    if isinstance(node, Compare):
        for side in (node.left, node.right):
            if isinstance(side, Const) and side.value is not None:
                yield side
    if isinstance(node, Mapping):
        for item in node.values():
            yield from _mentioned(item)
    elif isinstance(node, tuple):
        for item in node:
            yield from _mentioned(item)
    elif is_dataclass(node):
        for field in fields(node):
            yield from _mentioned(getattr(node, field.name))
