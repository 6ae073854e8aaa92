"""What a step gives the kernel: which rules of a stratum can fire, and the digits that the library is told of these.

Which rules can fire is computed for a whole stratum at once, one bit for each. To the library a test of what is missing
is false, so a message leaves out the other rules, and a group in which none can fire is not asked.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from charter.dsl.program import Program, Read, State
from charter.dsl.types import EnumType
from charter.engine.evaluator_program import Seen
from charter.engine.evaluator_source import SCOPE, Fields, Source
from charter.engine.rule_kernel_groups import (
    Beaten,
    Group,
    Ordinal,
    Place,
    Rule,
    Signal,
    Test,
    Whole,
    digits,
    property_name,
)

CanFire: TypeAlias = Callable[[State, State, Seen, int, set[str]], int]
"""Gives the rules of a stratum that can fire, as bits from its first rule up."""

Told: TypeAlias = Callable[[State, State, Seen, int, set[str]], str]
"""Gives what the library is told of a rule: the numbers of what it tests, as the digits of one."""

_MANY = 3  # rules that test a signal, from which on it is computed once for all of them


class Names(NamedTuple):
    """The names of a stratum's functions: one `CanFire`, and `Told` for every rule."""

    can_fire: str
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Text:
    """Where the functions of a stratum are written; `ordinals` are the names of each enum's numbers by value."""

    source: Source
    fields: Fields
    ordinals: dict[EnumType, str]


def computed(source: Source, program: Program, place: Place, stratum: Sequence[Group]) -> Names:
    """Writes the functions of a stratum, and gives their names."""
    rules = [rule for group in stratum for rule in group]
    types = {signal.type for rule in rules for signal, _ in rule.leaf if isinstance(signal, Ordinal)}
    ordinals = {type_: source.constant({None: 0} | {v: i for i, v in enumerate(type_.values, 1)}) for type_ in types}
    text = _Text(source, dict(program.events[place[0]].fields), ordinals)
    told = tuple(_told(text, rule, property_name(i)) for group in stratum for i, rule in enumerate(group))
    return Names(_can_fire(text, rules), told)


def _can_fire(text: _Text, rules: Sequence[Rule]) -> str:
    """A rule goes on where all holds that few rules test, and is struck by what many test."""
    testers: dict[Signal, list[tuple[int, int]]] = {}
    for i, rule in enumerate(rules):
        for signal, wanted in rule.leaf:
            testers.setdefault(signal, []).append((1 << i, wanted))
    own = [sorted([test for test in rule.leaf if len(testers[test[0]]) < _MANY], key=_effort) for rule in rules]
    lines = [f"m = {sum(1 << i for i, tests in enumerate(own) if not tests):#x}"]
    lines += [f"if {_all_hold(text, tests)}: m |= {1 << i:#x}" for i, tests in enumerate(own) if tests]
    every = (1 << len(rules)) - 1
    lines += [_strike(text, signal, every, by) for signal, by in testers.items() if len(by) >= _MANY]
    return text.source.function(f"{SCOPE}, fired", [*lines, "return m"])


def _effort(test: Test) -> int:
    """What a test takes, from the least up: a variable is looked at faster than anything is computed."""
    match test[0]:
        case Ordinal():
            return 0
        case Whole(Read()):
            return 1
        case _:
            return 2


def _all_hold(text: _Text, tests: Iterable[Test]) -> str:
    return " and ".join(_holds(text, test) for test in tests)


def _holds(text: _Text, test: Test) -> str:
    match test:
        case Ordinal(expr, type_), number:
            return f"{text.source.expression(expr, text.fields)} == {text.source.constant(type_.values[number - 1])}"
        case signal, number:
            return f"{'' if number else 'not '}{_number(text, signal)}"


def _strike(text: _Text, signal: Signal, every: int, testers: Sequence[tuple[int, int]]) -> str:
    """Strikes the rules that a signal does not let fire."""

    def left(number: int) -> int:
        return every & ~sum({bit for bit, wanted in testers if wanted != number})

    if isinstance(signal, Ordinal):
        table = {value: left(number) for number, value in enumerate((None, *signal.type.values))}
        return f"m &= {text.source.constant(table)}[{text.source.expression(signal.expr, text.fields)}]"
    if left(1) == every:
        return f"if not {_number(text, signal)}: m &= {left(0):#x}"
    return f"m &= {left(1):#x} if {_number(text, signal)} else {left(0):#x}"


def _told(text: _Text, rule: Rule, name: str) -> str:
    firing = [number for _, number in rule.leaf]
    full = text.source.constant(f',"{name}":{digits(firing)}')
    if not firing:
        return text.source.function(f"{SCOPE}, fired", [f"return {full}"])
    form = text.source.constant(f',"{name}":1' + "%d" * len(firing))
    numbers = "".join(f"{_number(text, signal)}, " for signal, _ in rule.leaf)
    line = f"return {full} if {_all_hold(text, rule.leaf)} else {form} % ({numbers})"
    return text.source.function(f"{SCOPE}, fired", [line])


def _number(text: _Text, signal: Signal) -> str:
    match signal:
        case Whole(expr):
            return text.source.number(expr, text.fields)
        case Ordinal(expr, type_):
            return f"{text.ordinals[type_]}[{text.source.expression(expr, text.fields)}]"
        case Beaten(rules):
            return f"(not {text.source.constant(frozenset(rules))}.isdisjoint(fired))"
