"""Which rules the kernel loads: guards taken apart into conjunctions of tests, and packed within the library's limits.

A stratum becomes groups, a group becomes rules of one ruleset behind a gate. A clause has one rule for each way that
its guard can hold (a *leaf*), shared with the clauses that hold in the same way; what a leaf tests are *signals*, small
numbers that the evaluator computes from a step.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
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
from charter.dsl.types import EnumType, OptionalType

MAX_LEAVES = 8  # of one guard; beyond it a part of the guard becomes one signal
MAX_TESTS = 16  # of one leaf, which are the digits of one number; beyond it the guard becomes one signal
GROUP_RULES = 100  # the library finds the next rule by walking all of a ruleset; more rulesets need more memory
RULESET_RULES = 128
MESSAGE_RULES = 48  # the library loses matches beyond 64 that are pending for one message


@dataclass(frozen=True, slots=True)
class Whole:
    """Whether a condition holds: 0 or 1."""

    expr: Expr


@dataclass(frozen=True, slots=True)
class Ordinal:
    """The position of an enum's value among its values, from 1; 0 where it is unknown."""

    expr: Expr
    type: EnumType


@dataclass(frozen=True, slots=True)
class Beaten:
    """Whether one of these rules fired in an earlier stratum: 0 or 1."""

    rules: tuple[str, ...]


Signal: TypeAlias = Whole | Ordinal | Beaten
Test: TypeAlias = tuple[Signal, int]  # the signal must be this number
Leaf: TypeAlias = tuple[Test, ...]  # all must hold


@dataclass(frozen=True, slots=True)
class Rule:
    """A leaf of the clauses at `positions` of their stratum: where it holds they fire, or are overridden."""

    positions: tuple[int, ...]
    fires: bool
    leaf: Leaf


Group: TypeAlias = tuple[Rule, ...]  # those of one ruleset that a message may tell of

Place: TypeAlias = tuple[EventKind, int]  # a stratum


def groups_of(program: Program) -> Mapping[Place, tuple[Group, ...]]:
    """The groups of every stratum. Together they hold every leaf of every clause that can fire."""
    return {
        (kind, number): tuple(_packed(_shared(_rules(stratum))))
        for kind, strata in program.strata.items()
        for number, stratum in enumerate(strata)
    }


def _rules(stratum: Iterable[Clause]) -> Iterator[Rule]:
    for position, clause in enumerate(stratum):
        for leaf in guard_leaves(clause.guard):
            if clause.overridden_by:
                beaten = Beaten(clause.overridden_by)
                yield Rule((position,), True, (*leaf, (beaten, 0)))
                yield Rule((position,), False, (*leaf, (beaten, 1)))
            else:
                yield Rule((position,), True, leaf)


def _shared(rules: Iterable[Rule]) -> list[Rule]:
    """One rule for those that test the same."""
    found: dict[object, Rule] = {}
    for rule in rules:
        same = found.setdefault((rule.fires, frozenset(rule.leaf)), rule)
        if same is not rule:
            found[rule.fires, frozenset(rule.leaf)] = replace(same, positions=same.positions + rule.positions)
    return list(found.values())


def _packed(rules: Sequence[Rule]) -> Iterator[Group]:
    return (tuple(rules[i : i + GROUP_RULES]) for i in range(0, len(rules), GROUP_RULES))


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
        case Compare(op, left, right) if op in _OPPOSITE:
            return _leaves(Compare(_OPPOSITE[op], left, right), not wanted)
        case Compare(Comparison.EQ, left, right) if wanted:
            return ((_is(left, right) or _is(right, left) or (Whole(expr), 1),),)
        case _:
            return _whole(expr, wanted)


def _is(left: Expr, right: Expr) -> Test | None:
    """That a value of an enum is a certain one, where a digit tells all of them apart."""
    type_ = type_of(left)
    known = type_.of if isinstance(type_, OptionalType) else type_
    match left, known, right:
        case ((Read() | Its()), EnumType(_, values), Const(str() as value)) if value in values and len(values) < 10:
            return Ordinal(left, known), values.index(value) + 1
        case _:
            return None


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
    return (((Whole(expr), int(wanted)),),)


_OPPOSITE = {
    Comparison.NE: Comparison.EQ,
    Comparison.GT: Comparison.LE,
    Comparison.GE: Comparison.LT,
}


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
        if len(definitions[-1]) + len(group) + 1 > RULESET_RULES:
            definitions.append({})
            gate = 0
        gate += 1
        rules = definitions[-1]
        names = tuple(f"{len(rules) + i:04d}" for i in range(len(group) + 1))
        tests = [[{property_name(i): digits([number for _, number in rule.leaf])}] for i, rule in enumerate(group)]
        for name, own in zip(names, [*tests, []], strict=True):
            rules[name] = {"all": [{"m": {"$and": [{GATE: gate}, *own]}}], "pri": len(rules)}
        loaded.append(Loaded(len(definitions) - 1, gate, names[:-1], names[-1]))
    return tuple(json.dumps(definition) for definition in definitions if definition), tuple(loaded)


def digits(numbers: Iterable[int]) -> int:
    """Small numbers as one, which has a 1 before them: to the library all that a rule tests is one number."""
    return int("1" + "".join(str(number) for number in numbers))


GATE = "g"


def property_name(number: int) -> str:
    """The name of a rule's property. The library knows names by 32-bit hashes; those of all that we use differ."""
    return f"p{number}"
