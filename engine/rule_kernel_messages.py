"""What the kernel tells the library: for every group a function that writes the message of a step.

A message leaves out what cannot matter, since to the library every comparison with what is missing is false: values
that no test takes, and signals that are tested only by leaves whose first test fails.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from charter.dsl.program import Comparison, Program, type_of
from charter.dsl.types import BoolType, OptionalType
from charter.engine.evaluator_source import SCOPE, Fields, Source
from charter.engine.rule_kernel_groups import GATE, Beaten, Group, Number, Ordinal, Place, Signal, Test, property_name


def message(source: Source, program: Program, place: Place, group: Group, gate: int) -> str:
    """The name of a function that writes the group's message, over `SCOPE` and the rules that fired before."""
    fields = dict(program.events[place[0]].fields)
    pieces: dict[Test | None, list[str]] = {None: [_constant(source, _opening(gate))]}
    for number, (signal, only) in enumerate(_wanted(group).items()):
        name = f',"{property_name(number)}":'
        pieces.setdefault(only, []).append(_piece(source, fields, name, signal, _tests(group, signal)))
    lines = [f"s = {_joined(pieces.pop(None))}"]
    for test, parts in pieces.items():
        if test is not None:
            lines += [f"if {_condition(source, fields, test)}:", f"    s += {_joined(parts)}"]
    return source.function(f"{SCOPE}, fired", [*lines, f"return s + {source.constant('}')}"])


def trial(group: Group, gate: int) -> str:
    """A message with every signal 0."""
    return _opening(gate) + "".join(f',"{property_name(i)}":0' for i in range(len(group.signals))) + "}"


def _opening(gate: int) -> str:
    return f'{{"sid":1,"id":1,"{GATE}":{gate}'


# --- what a message leaves out ---------------------------------------------------------------------------------------


def _wanted(group: Group) -> Mapping[Signal, Test | None]:
    """The signals of a group, each with the test that must hold for it to matter; None if it always may.

    Signals that are compared with each other are told together: the library may not compare with one that is missing.
    """
    tests: dict[Signal, set[Test | None]] = {signal: set() for signal in group.signals}
    for rule in group.rules:
        for test in rule.leaf:
            for signal in (test.left, test.right):
                if not isinstance(signal, int):
                    tests[signal].add(_first(rule.leaf))
    for rule in group.rules:
        for test in rule.leaf:
            if not isinstance(test.right, int) and tests[test.left] != tests[test.right]:
                tests[test.left].add(None)
                tests[test.right].add(None)
    return {signal: next(iter(found)) if len(found) == 1 else None for signal, found in tests.items()}


def _first(leaf: Sequence[Test]) -> Test | None:
    return leaf[0] if isinstance(leaf[0].right, int) else None


def _tests(group: Group, signal: Signal) -> list[Test]:
    return [test for rule in group.rules for test in rule.leaf if signal in (test.left, test.right)]


# --- text ------------------------------------------------------------------------------------------------------------


def _piece(source: Source, fields: Fields, name: str, signal: Signal, tests: Sequence[Test]) -> str:
    """A part of a message, in braces: the signal with its name, or nothing where its value matters to no test."""
    spelled = {
        value: f"{name}{number}" if any(_takes(test, number) for test in tests) else ""
        for value, number in _numbers(signal).items()
    }
    if spelled:
        return f"{{{source.constant(spelled)}[{_value(source, fields, signal)}]}}"
    return _constant(source, name) + f"{{{_value(source, fields, signal)}}}"


def _constant(source: Source, text: str) -> str:
    return f"{{{source.constant(text)}}}"


def _joined(pieces: Sequence[str]) -> str:
    return f"f'{''.join(pieces)}'"


def _condition(source: Source, fields: Fields, test: Test) -> str:
    value, numbers = _value(source, fields, test.left), _numbers(test.left)
    number = f"{source.constant(numbers)}[{value}]" if numbers else value
    return f"{number} {test.op.value} {source.constant(test.right)}"


def _value(source: Source, fields: Fields, signal: Signal) -> str:
    match signal:
        case Number(expr):
            return source.expression(expr, fields) if _numbers(signal) else source.number(expr, fields)
        case Ordinal(expr):
            return source.expression(expr, fields)
        case Beaten(rules):
            return f"(not {source.constant(frozenset(rules))}.isdisjoint(fired))"


def _numbers(signal: Signal) -> Mapping[Any, int]:
    """The number of each value of a signal; none if it is a number itself."""
    match signal:
        case Number(expr):
            type_ = type_of(expr)
            known = type_.of if isinstance(type_, OptionalType) else type_
            return {None: 0, False: 0, True: 1} if isinstance(known, BoolType) else {}
        case Ordinal(_, type_):
            return {None: 0} | {value: i for i, value in enumerate(type_.values, 1)}
        case Beaten():
            return {False: 0, True: 1}


def _takes(test: Test, number: int) -> bool:
    """Whether the test may hold where the signal has this number."""
    return not isinstance(test.right, int) or _HOLDS[test.op](number, test.right)


_HOLDS: Mapping[Comparison, Callable[[int, int], bool]] = {
    Comparison.EQ: operator.eq,
    Comparison.NE: operator.ne,
    Comparison.LT: operator.lt,
    Comparison.LE: operator.le,
    Comparison.GT: operator.gt,
    Comparison.GE: operator.ge,
}
