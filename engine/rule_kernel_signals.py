"""What a step gives the kernel: which rules of a stratum can fire, and the numbers that the library is told of these.

Which rules can fire is computed for a whole stratum at once, one bit for each. To the library a test of what is missing
is false, so a message leaves out the other rules, and a group in which none can fire is not asked.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from charter.dsl.program import Program, State
from charter.dsl.types import EnumType
from charter.engine.evaluator_program import Seen
from charter.engine.evaluator_source import SCOPE, Fields, Source
from charter.engine.rule_kernel_groups import Beaten, Group, Ordinal, Place, Rule, Signal, Whole

Signals: TypeAlias = Callable[[State, State, Seen, int, set[str]], tuple[int, tuple[int, ...]]]
"""Gives the rules of a stratum that can fire, as bits from its first rule up, and the numbers of its signals."""


def signals_of(stratum: Iterable[Group]) -> tuple[Signal, ...]:
    """What the rules of a stratum test."""
    return tuple(dict.fromkeys(signal for group in stratum for rule in group for signal, _ in rule.leaf))


def computed(source: Source, program: Program, place: Place, stratum: Sequence[Group]) -> str:
    """The name of a function that computes `Signals`, in the order of `signals_of`."""
    fields = dict(program.events[place[0]].fields)
    rules = [rule for group in stratum for rule in group]
    names = {signal: f"n{i}" for i, signal in enumerate(signals_of(stratum))}
    types = dict.fromkeys(signal.type for signal in names if isinstance(signal, Ordinal))
    ordinals = {type_: source.constant(_ordinals(type_)) for type_ in types}
    lines = [f"{name} = {_number(source, fields, signal, ordinals)}" for signal, name in names.items()]
    lines.append(f"m = {(1 << len(rules)) - 1:#x}")
    lines += [_strike(source, names[signal], table) for signal, table in _tables(rules).items()]
    lines.append(f"return m, ({''.join(f'{name}, ' for name in names.values())})")
    return source.function(f"{SCOPE}, fired", lines)


def _strike(source: Source, name: str, table: Sequence[int]) -> str:
    """Strikes the rules that a signal does not let fire."""
    if len(table) > 2:
        return f"m &= {source.constant(table)}[{name}]"
    return f"m &= {table[1]:#x} if {name} else {table[0]:#x}"


def _tables(rules: Sequence[Rule]) -> Mapping[Signal, list[int]]:
    """By signal, and its number: the rules that it lets fire."""
    every = (1 << len(rules)) - 1
    tables: dict[Signal, list[int]] = {}
    for i, rule in enumerate(rules):
        for signal, wanted in rule.leaf:
            table = tables.setdefault(signal, [every] * _numbers(signal))
            for number in range(len(table)):
                if number != wanted:
                    table[number] &= ~(1 << i)
    return tables


def _numbers(signal: Signal) -> int:
    """How many numbers a signal may have."""
    return len(signal.type.values) + 1 if isinstance(signal, Ordinal) else 2


def _number(source: Source, fields: Fields, signal: Signal, ordinals: Mapping[EnumType, str]) -> str:
    match signal:
        case Whole(expr):
            return source.number(expr, fields)
        case Ordinal(expr, type_):
            return f"{ordinals[type_]}[{source.expression(expr, fields)}]"
        case Beaten(rules):
            return f"(not {source.constant(frozenset(rules))}.isdisjoint(fired))"


def _ordinals(type_: EnumType) -> Mapping[Any, int]:
    return {None: 0} | {value: i for i, value in enumerate(type_.values, 1)}
