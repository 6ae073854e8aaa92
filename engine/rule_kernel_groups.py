"""Which rules the kernel loads: guards taken apart into conjunctions of tests, and packed within the library's limits.

A stratum becomes groups, a group becomes rules of one ruleset behind a gate. A clause has one rule for each way that
its guard can hold (a *leaf*), shared with the clauses that hold in the same way; what a leaf tests are *signals*,
integers that the evaluator computes from a step.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from math import prod
from typing import TypeAlias

from charter.dsl.program import (
    And,
    Clause,
    Compare,
    Comparison,
    Const,
    EventKind,
    Expr,
    Its,
    Not,
    Or,
    Program,
    Read,
    type_of,
)
from charter.dsl.types import (
    INT64_MAX,
    INT64_MIN,
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    IntType,
    OptionalType,
    TimeType,
    Type,
)

MAX_LEAVES = 8  # of one guard; beyond it a part of the guard becomes one signal
MAX_TESTS = 64  # of one leaf; beyond it the guard becomes one signal
GROUP_LEAVES = 48  # the library loses matches beyond 64 that are pending for one message
GROUP_SIGNALS = 200  # the library refuses a message of more than 252 properties
RULESET_RULES = 64  # the library finds the next rule by walking all of them; more rulesets need more memory


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number or truth value of a step; 0 where it is unknown."""

    expr: Expr


@dataclass(frozen=True, slots=True)
class Ordinal:
    """The position of an enum's value among its values, from 1; 0 where it is unknown."""

    expr: Expr
    type: EnumType


@dataclass(frozen=True, slots=True)
class Beaten:
    """Whether one of these rules fired in an earlier stratum."""

    rules: tuple[str, ...]


Signal: TypeAlias = Number | Ordinal | Beaten


@dataclass(frozen=True, slots=True)
class Test:
    """Compares a signal with another or with a constant."""

    op: Comparison
    left: Signal
    right: Signal | int


Leaf: TypeAlias = tuple[Test, ...]  # all must hold


@dataclass(frozen=True, slots=True)
class Rule:
    """A leaf of the clauses at `positions` of their stratum: where it holds they fire, or are overridden."""

    positions: tuple[int, ...]
    fires: bool
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are decided by one message, which holds these signals."""

    rules: tuple[Rule, ...]
    signals: tuple[Signal, ...]


Place: TypeAlias = tuple[EventKind, int]  # a stratum


def groups_of(program: Program) -> Mapping[Place, tuple[Group, ...]]:
    """The groups of every stratum. Together they hold every leaf of every clause that can fire."""
    return {
        (kind, number): tuple(_packed(_rules(stratum)))
        for kind, strata in program.strata.items()
        for number, stratum in enumerate(strata)
    }


def _rules(stratum: Iterable[Clause]) -> Iterator[Rule]:
    for position, clause in enumerate(stratum):
        for leaf in guard_leaves(clause.guard):
            if clause.overridden_by:
                beaten = Beaten(clause.overridden_by)
                yield Rule((position,), True, (*leaf, Test(Comparison.EQ, beaten, 0)))
                yield Rule((position,), False, (*leaf, Test(Comparison.EQ, beaten, 1)))
            else:
                yield Rule((position,), True, leaf)


def _packed(rules: Iterable[Rule]) -> Iterator[Group]:
    held: list[Rule] = []
    signals: dict[Signal, None] = {}
    for rule in _shared(_alike(list(rules))):
        needed = dict.fromkeys(_signals(rule.leaf))
        if len(held) == GROUP_LEAVES or len(signals | needed) > GROUP_SIGNALS:
            yield Group(tuple(held), tuple(signals))
            held, signals = [], {}
        held.append(rule)
        signals |= needed
    if held:
        yield Group(tuple(held), tuple(signals))


def _alike(rules: Sequence[Rule]) -> list[Rule]:
    """The rules with their commonest tests first, those that begin alike together: the library tests a beginning once.

    It never shares a test of one signal with another, so these come last.
    """
    often = Counter(test for rule in rules for test in rule.leaf)
    common = sorted(often, key=lambda test: (not isinstance(test.right, int), -often[test]))
    rank = {test: i for i, test in enumerate(common)}
    ordered = [replace(rule, leaf=tuple(sorted(rule.leaf, key=rank.__getitem__))) for rule in rules]
    return sorted(ordered, key=lambda rule: [rank[test] for test in rule.leaf])


def _shared(rules: Iterable[Rule]) -> Iterator[Rule]:
    """One rule for those that test the same."""
    for (fires, leaf), same in groupby(rules, key=lambda rule: (rule.fires, rule.leaf)):
        yield Rule(tuple(position for rule in same for position in rule.positions), fires, leaf)


def _signals(leaf: Leaf) -> Iterator[Signal]:
    for test in leaf:
        yield test.left
        if not isinstance(test.right, int):
            yield test.right


# --- guards to leaves ------------------------------------------------------------------------------------------------


def guard_leaves(guard: Expr) -> tuple[Leaf, ...]:
    """Conjunctions of tests of which one holds if and only if the guard does; none if it never does.

    `and` and `or` need no order here: signals are total, and a test that the language would not have reached cannot
    change the outcome of the whole.
    """
    leaves = _leaves(guard, True)
    if any(len(leaf) > MAX_TESTS for leaf in leaves):
        return _whole(guard, True)
    return leaves


def _leaves(expr: Expr, wanted: bool) -> tuple[Leaf, ...]:
    """Conjunctions of which one holds if and only if the expression has the wanted truth value."""
    match expr:
        case Not(of):
            return _leaves(of, not wanted)
        case And(parts) | Or(parts):
            return _all(parts, wanted) if isinstance(expr, And) is wanted else _any(expr, parts, wanted)
        case Const(bool() as value):
            return ((),) if value is wanted else ()
        case Compare(op, left, right):
            test = _test(op if wanted else _OPPOSITE[op], left, right)
            return ((test,),) if test is not None else _whole(expr, wanted)
        case _:
            return _whole(expr, wanted)


def _all(parts: Sequence[Expr], wanted: bool) -> tuple[Leaf, ...]:
    options = [_leaves(part, wanted) for part in parts]
    while prod(len(option) for option in options) > MAX_LEAVES:
        widest = max(range(len(options)), key=lambda i: len(options[i]))
        options[widest] = _whole(parts[widest], wanted)
    joined = (tuple(dict.fromkeys(test for leaf in way for test in leaf)) for way in product(*options))
    return tuple(dict.fromkeys(joined))


def _any(expr: Expr, parts: Sequence[Expr], wanted: bool) -> tuple[Leaf, ...]:
    leaves = tuple(dict.fromkeys(leaf for part in parts for leaf in _leaves(part, wanted)))
    return leaves if len(leaves) <= MAX_LEAVES else _whole(expr, wanted)


def _whole(expr: Expr, wanted: bool) -> tuple[Leaf, ...]:
    """The expression as one signal."""
    return ((Test(Comparison.EQ, Number(expr), int(wanted)),),)


_OPPOSITE: Mapping[Comparison, Comparison] = {
    Comparison.EQ: Comparison.NE,
    Comparison.NE: Comparison.EQ,
    Comparison.LT: Comparison.GE,
    Comparison.LE: Comparison.GT,
    Comparison.GT: Comparison.LE,
    Comparison.GE: Comparison.LT,
}
_MIRRORED: Mapping[Comparison, Comparison] = {
    Comparison.EQ: Comparison.EQ,
    Comparison.NE: Comparison.NE,
    Comparison.LT: Comparison.GT,
    Comparison.LE: Comparison.GE,
    Comparison.GT: Comparison.LT,
    Comparison.GE: Comparison.LE,
}


def _test(op: Comparison, left: Expr, right: Expr) -> Test | None:
    """The comparison as a test of the library, or None where it compares more than plain numbers, bools and enums."""
    a, b = _operand(left), _operand(right)
    if a is None or b is None:
        return None
    if not isinstance(a, int):
        return Test(op, a, b)
    return None if isinstance(b, int) else Test(_MIRRORED[op], b, a)


def _operand(expr: Expr) -> Signal | int | None:
    type_ = _known(type_of(expr))
    match expr, type_:
        case Const(str() as value), EnumType(_, values) if value in values:
            return values.index(value) + 1
        case Const(int() as value), BoolType() | IntType() | DecimalType() | TimeType() | DurationType():
            return int(value) if INT64_MIN <= value <= INT64_MAX else None
        case ((Read() | Its()), EnumType()):
            return Ordinal(expr, type_)
        case ((Read() | Its()), BoolType() | IntType() | DecimalType() | TimeType() | DurationType()):
            return Number(expr)
        case _:
            return None


def _known(type_: Type) -> Type:
    return type_.of if isinstance(type_, OptionalType) else type_


# --- groups to rulesets ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loaded:
    """Where a group stands: its ruleset, its gate, and the names of its rules; `sentinel` must fire last, once."""

    ruleset: int
    gate: int
    names: tuple[str, ...]
    sentinel: str


def rulesets(grouped: Iterable[Group]) -> tuple[tuple[str, ...], tuple[Loaded, ...]]:
    """The groups as rulesets in the library's own form, and where in them each group stands."""
    definitions: list[dict[str, object]] = [{}]
    loaded: list[Loaded] = []
    gate = 0
    for group in grouped:
        if len(definitions[-1]) + len(group.rules) + 1 > RULESET_RULES:
            definitions.append({})
            gate = 0
        gate += 1
        rules = definitions[-1]
        names = tuple(f"{len(rules) + i:04d}" for i in range(len(group.rules) + 1))
        properties = {signal: property_name(i) for i, signal in enumerate(group.signals)}
        for name, leaf in zip(names, [*(rule.leaf for rule in group.rules), ()], strict=True):
            tests = [{GATE: gate}, *(_definition(test, properties) for test in leaf)]
            rules[name] = {"all": [{"m": {"$and": tests}}], "pri": len(rules)}
        loaded.append(Loaded(len(definitions) - 1, gate, names[:-1], names[-1]))
    return tuple(json.dumps(definition) for definition in definitions if definition), tuple(loaded)


GATE = "g"


def property_name(number: int) -> str:
    """The name of a signal in a message. The library knows names by 32-bit hashes; those of all that we use differ."""
    return f"p{number}"


_OPERATORS: Mapping[Comparison, str] = {
    Comparison.NE: "$neq",
    Comparison.LT: "$lt",
    Comparison.LE: "$lte",
    Comparison.GT: "$gt",
    Comparison.GE: "$gte",
}


def _definition(test: Test, properties: Mapping[Signal, str]) -> object:
    right = test.right if isinstance(test.right, int) else {"$m": properties[test.right]}
    compared = {properties[test.left]: right}
    return compared if test.op is Comparison.EQ else {_OPERATORS[test.op]: compared}
