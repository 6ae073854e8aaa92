"""Conversations by brute force: every state that a policy reaches with a few values of each type, breadth first."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from itertools import product

from charter.dsl.program import (
    Act,
    ActKind,
    Const,
    Event,
    EventInfo,
    EventKind,
    Program,
    State,
    Variable,
)
from charter.dsl.semantics import possible, step, trusted
from charter.dsl.types import (
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

NOW = 1_767_225_600_000


@dataclass(frozen=True, slots=True)
class Explored:
    """For each requirement that breaks, after how many events at the earliest; whether all was seen, and how deep."""

    broken: dict[str, int]
    complete: bool
    depth: int
    states: tuple[State, ...]


def explored(program: Program, most: int) -> Explored:
    """What happens in all conversations up to `most` states; events within one instant."""
    constants = tuple(dict.fromkeys(_constants(program)))
    start = _key(program.initial, ())
    states: dict[object, tuple[State, tuple[Act, ...]]] = {start: (program.initial, ())}
    layer = [start]
    broken: dict[str, int] = {}
    depth = 0
    while layer:
        depth += 1
        following = []
        for key in layer:
            state, owed = states[key]
            for event in _events(program, state, owed, constants):
                outcome = step(program, state, event)
                assert outcome.dropped is None
                for each in outcome.broken:
                    broken.setdefault(each.requirement, depth)
                if outcome.broken:
                    continue
                left = tuple(act for act in owed if event.kind != f"{act.name} fails")
                due = (*left, *(act for act in outcome.acts if act.kind is ActKind.EXHAUSTED))
                then = _key(outcome.state, due)
                if then not in states:
                    states[then] = (outcome.state, due)
                    following.append(then)
            if len(states) > most:
                return Explored(broken, False, depth - 1, tuple(state for state, _ in states.values()))
        layer = following
    return Explored(broken, True, depth, tuple(state for state, _ in states.values()))


def _key(state: State, owed: tuple[Act, ...]) -> object:
    return tuple(state.values()), tuple(act.identity for act in owed)


def _events(program: Program, state: State, owed: tuple[Act, ...], constants: tuple[Value, ...]) -> Iterator[Event]:
    """Every event that can come: the answers to what is exhausted first."""
    due = [Event(EventKind(f"{act.name} fails"), {**dict(act.args), "reason": "exhausted"}, NOW) for act in owed]
    due = [event for event in due if possible(program, state, event)]
    if due:
        yield from due
        return
    for info in program.events.values():
        for values in _fields(program, state, info, constants):
            event = Event(info.kind, values, NOW)
            if possible(program, state, event) and trusted(program, state, event):
                yield event


def _fields(
    program: Program, state: State, info: EventInfo, constants: tuple[Value, ...]
) -> Iterator[dict[str, Value]]:
    tool = program.tools.get(info.kind.split(" ")[0])
    free = [(n, t) for n, t in info.fields if tool is None or n not in dict(tool.args)]
    calls: list[dict[str, Value]] = [{}]
    if tool is not None:
        bags = [state[Variable(f"{what} {tool.name}")] for what in ("calls", "uncertain")]
        names = [name for name, _ in tool.args]
        calls = [dict(zip(names, c, strict=True)) for bag in bags for c in bag]  # type: ignore[union-attr, arg-type]  # bags
    for call in calls:
        for chosen in product(*(few(t, constants) for _, t in free)):
            yield {**call, **dict(zip((n for n, _ in free), chosen, strict=True))}


def few(type_: Type, constants: tuple[Value, ...]) -> list[Value]:
    """A few values of a type: those that the policy mentions with their neighbours, and others."""
    mentioned = [v for v in constants if v is not None and inhabits(v, type_)]
    match type_:
        case OptionalType(of):
            return [None, *few(of, constants)]
        case BoolType():
            return [False, True]
        case IntType(low, high) | DecimalType(_, low, high):
            near = {low, high, *(n + by for n in mentioned if isinstance(n, int) for by in (-1, 0, 1))}
            return sorted(n for n in near if low <= n <= high)
        case EnumType(_, values):
            return list(values)
        case IdType() | TextType():
            return list(dict.fromkeys([*mentioned, "~"]))
        case TimeType() | DurationType():
            return list(dict.fromkeys([*mentioned, 0]))
        case RecordType(_, of):
            return [tuple(values) for values in product(*(few(t, constants) for _, t in of))]
        case _:
            raise TypeError(type_)


def _constants(node: object) -> Iterator[Value]:
    if isinstance(node, Const):
        yield node.value
    if isinstance(node, dict):
        for item in node.values():
            yield from _constants(item)
    elif isinstance(node, tuple | list):
        for item in node:
            yield from _constants(item)
    elif is_dataclass(node):
        for field in fields(node):
            yield from _constants(getattr(node, field.name))
