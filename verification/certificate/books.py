"""What is always true of the books and of types, whatever the rules do; it is checked beside the invariants, like them.

A prover takes this for granted: that a number stays within its type, that nothing is open before `start` or beyond the
bounds of its turn, that a second place is taken only after the first.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from charter.dsl.program import (
    OVER,
    STARTED,
    TRANSFERRING,
    TURN_OPEN,
    Lifetime,
    Role,
    Variable,
    escalating,
    exhausted,
    used,
)
from charter.dsl.types import (
    DURATION_MAX,
    TIME,
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
)
from charter.verification.certificate.open_calls import places
from charter.verification.certificate.order import CLOCK, owed_by
from charter.verification.certificate.script import Sort
from charter.verification.certificate.world import World


def books(world: World) -> Mapping[str, str]:
    """What is true of the books in every state, as invariants are written, each with what it is about."""
    found = dict(
        (
            *_types(world),
            *_first(world),
            *_transfers(world),
            *_turn(world),
            *_asked(world),
            *_called(world),
            *_owed(world),
        )
    )
    return {f"books: {about}": text for about, text in found.items() if text != "true"}


def _types(world: World) -> Iterator[tuple[str, str]]:
    for name, info in world.program.variables.items():
        if isinstance(info.type, BagType):
            places_ = [f"{name}#{i}" for i in range(places(world.state[name]))]
            yield f"places of `{name}`", _all(f"(or (not |{b}|) |{a}|)" for a, b in pairwise(places_))
            yield f"types in `{name}`", _all(_within(world, info.type.of, each) for each in places_)
        else:
            yield f"type of `{name}`", _within(world, info.type, name)
    for owed in owed_by(world.program):
        yield f"types of `{owed.call}`", _within(world, owed.args, owed.call)
    yield "type of the clock", _within(world, TIME, CLOCK)


def _within(world: World, type_: Type, name: str) -> str:
    """That a value is within the bounds of its type, where it is known."""
    match type_:
        case OptionalType(of):
            within = _within(world, of, name)
            return within if within == "true" else f"(or (not |{name}?|) {within})"
        case RecordType(_, fields):
            return _all(_within(world, t, f"{name}.{field}") for field, t in fields)
        case IntType(low, high) | DecimalType(_, low, high):
            return _between(low, name, high)
        case TimeType():
            return _between(TIME_MIN, name, TIME_MAX)
        case DurationType():
            return _between(-DURATION_MAX, name, DURATION_MAX)
        case EnumType(_, values):
            return _between(0, name, len(values) - 1)
        case TextType(limit):
            return f"(< |{name}| {world.numbering.first(limit + 1)})"
        case BoolType() | IdType() | BagType():
            return "true"


def _first(world: World) -> Iterator[tuple[str, str]]:
    """Nothing is open before `start`."""
    for name, info in world.program.variables.items():
        if info.role is Role.BOOKKEEPING and info.lifetime is Lifetime.CONVERSATION and name != STARTED:
            same = [
                f"(= |{name}{inner}| {world.initial[name][inner].text})"
                if term.sort is Sort.INT
                else f"(not |{name}{inner}|)"
                for inner, term in world.state[name].items()
                if "." not in inner  # what is in a place that is not taken means nothing
            ]
            yield f"`{name}` before `start`", f"(or |{STARTED}| {_all(same)})"


def _transfers(world: World) -> Iterator[tuple[str, str]]:
    """A transfer is under way exactly if one waits for its answer, and never two do."""
    going = _count(f"|{escalating(queue)}|" for queue in world.program.queues)
    yield "transfers", f"(= {going} (ite |{TRANSFERRING}| 1 0))"


def _turn(world: World) -> Iterator[tuple[str, str]]:
    """A turn is open exactly while an answer is waited for, and none is after the end."""
    asked = (f"(not (= |pending {name}| 0))" for name in world.program.agents)
    called = (f"|calls {name}#0|" for name in world.program.tools)
    yield "turn", f"(= |{TURN_OPEN}| (and (not |{OVER}|) (or |{TRANSFERRING}| {' '.join((*asked, *called))})))"


def _asked(world: World) -> Iterator[tuple[str, str]]:
    """No more is asked than a turn allows, and nothing during a transfer or after the end."""
    for name in world.program.agents:
        yield f"asks of `{name}`", f"(<= |pending {name}| {_spent(name)})"
        yield f"end of asks of `{name}`", f"(or (= |pending {name}| 0) (not (or |{TRANSFERRING}| |{OVER}|)))"


def _called(world: World) -> Iterator[tuple[str, str]]:
    """No more calls are open than a turn allows; after the end, none is new."""
    for name in world.program.tools:
        calls = f"calls {name}"
        taken = [f"|{calls}#{i}|" for i in range(places(world.state[Variable(calls)]))]
        yield f"calls of `{name}`", f"(or |{OVER}| (<= {_count(taken)} {_spent(name)}))"
        yield f"places for calls of `{name}`", f"(not |{calls}#more|)"


def _owed(world: World) -> Iterator[tuple[str, str]]:
    """A call whose answer is owed, since it was beyond its bound, is one of those that are open."""
    for owed in owed_by(world.program):
        if owed.of in world.program.tools:
            calls = f"calls {owed.of}"
            open_ = [f"{calls}#{i}" for i in range(places(world.state[Variable(calls)]))]
            is_open = (f"(and |{each}| {_same(owed.args, each, owed.call)})" for each in open_)
            yield f"`{owed.flag}`", f"(or (not |{owed.flag}|) {' '.join(is_open)})"


def _same(type_: Type, a: str, b: str) -> str:
    """That two values are the same."""
    match type_:
        case OptionalType(of):
            return f"(and (= |{a}?| |{b}?|) (or (not |{a}?|) {_same(of, a, b)}))"
        case RecordType(_, fields):
            return _all(_same(t, f"{a}.{name}", f"{b}.{name}") for name, t in fields)
        case _:
            return f"(= |{a}| |{b}|)"


def _spent(name: str) -> str:
    """How often an agent or tool was used in this turn, and once more where it is exhausted."""
    return f"(+ |{used(name)}| (ite |{exhausted(name)}| 1 0))"


def _count(flags: Iterable[str]) -> str:
    return f"(+ 0 {' '.join(f'(ite {flag} 1 0)' for flag in flags)})"


def _all(of: Iterable[str]) -> str:
    parts = [each for each in of if each != "true"]
    return f"(and {' '.join(parts)})" if parts else "true"


def _between(low: int, name: str, high: int) -> str:
    return f"(and (<= {_number(low)} |{name}|) (<= |{name}| {_number(high)}))"


def _number(value: int) -> str:
    return str(value) if value >= 0 else f"(- {-value})"
