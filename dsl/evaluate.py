"""The value of an expression, by walking it: one function for each kind of node."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from charter.dsl.program import (
    And,
    Arithmetic,
    Compare,
    Comparison,
    Const,
    Contains,
    Expr,
    Its,
    Known,
    Make,
    Not,
    Operation,
    Or,
    Part,
    Read,
    Size,
    State,
    Text,
    With,
    Without,
    type_of,
)
from charter.dsl.types import Value
from charter.dsl.values import spell


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression can see: old and final variables, and the fields of what is observed."""

    old: State
    final: State
    its: Mapping[str, Value]
    now: int


def evaluate(expr: Expr, scope: Scope) -> Value:
    """The value of an expression. `and` and `or` go from left to right and stop when they know."""
    return _MEANING[type(expr)](expr, scope)


def constant(expr: Expr, state: State) -> Value:
    """The value of an expression that mentions nothing but the state."""
    return evaluate(expr, Scope(state, state, {}, 0))


def number(value: Value) -> int:
    """A value that the checker has shown to be a known whole number."""
    if not isinstance(value, int):
        raise TypeError(f"not a known number: {value!r}")
    return value


def _const(expr: Const, _: Scope) -> Value:
    return expr.value


def _read(expr: Read, scope: Scope) -> Value:
    return (scope.old if expr.old else scope.final)[expr.variable]


def _its(expr: Its, scope: Scope) -> Value:
    return scope.now if expr.field == "now" else scope.its[expr.field]


def _part(expr: Part, scope: Scope) -> Value:
    return _items(expr.of, scope)[expr.index]


def _make(expr: Make, scope: Scope) -> Value:
    return tuple(evaluate(part, scope) for part in expr.parts)


def _known(expr: Known, scope: Scope) -> Value:
    return evaluate(expr.of, scope) is not None


def _not(expr: Not, scope: Scope) -> Value:
    return not evaluate(expr.of, scope)


def _and(expr: And, scope: Scope) -> Value:
    for part in expr.parts:
        if not evaluate(part, scope):
            return False
    return True


def _or(expr: Or, scope: Scope) -> Value:
    for part in expr.parts:
        if evaluate(part, scope):
            return True
    return False


def _compare(expr: Compare, scope: Scope) -> Value:
    return _COMPARISONS[expr.op](evaluate(expr.left, scope), evaluate(expr.right, scope))


def _arithmetic(expr: Arithmetic, scope: Scope) -> Value:
    return _OPERATIONS[expr.op](number(evaluate(expr.left, scope)), number(evaluate(expr.right, scope)))


def _contains(expr: Contains, scope: Scope) -> Value:
    return evaluate(expr.item, scope) in _items(expr.bag, scope)


def _size(expr: Size, scope: Scope) -> Value:
    return len(_items(expr.bag, scope))


def _with(expr: With, scope: Scope) -> Value:
    return (*_items(expr.bag, scope), evaluate(expr.item, scope))


def _without(expr: Without, scope: Scope) -> Value:
    bag, item = _items(expr.bag, scope), evaluate(expr.item, scope)
    if item not in bag:
        return bag
    at = bag.index(item)
    return bag[:at] + bag[at + 1 :]


def _text(expr: Text, scope: Scope) -> Value:
    return "".join(p if isinstance(p, str) else spell(evaluate(p, scope), type_of(p)) for p in expr.parts)


def _items(expr: Expr, scope: Scope) -> tuple[Value, ...]:
    """A record or a bag, which the checker has shown to be known."""
    value = evaluate(expr, scope)
    if not isinstance(value, tuple):
        raise TypeError(f"not a known record: {value!r}")
    return value


_COMPARISONS: Mapping[Comparison, Callable[[Any, Any], bool]] = {
    Comparison.EQ: operator.eq,
    Comparison.NE: operator.ne,
    Comparison.LT: operator.lt,
    Comparison.LE: operator.le,
    Comparison.GT: operator.gt,
    Comparison.GE: operator.ge,
}
_OPERATIONS: Mapping[Operation, Callable[[int, int], int]] = {
    Operation.ADD: operator.add,
    Operation.SUB: operator.sub,
    Operation.MUL: operator.mul,
}
_MEANING: Mapping[type, Callable[[Any, Scope], Value]] = {
    Const: _const,
    Read: _read,
    Its: _its,
    Part: _part,
    Make: _make,
    Known: _known,
    Not: _not,
    And: _and,
    Or: _or,
    Compare: _compare,
    Arithmetic: _arithmetic,
    Contains: _contains,
    Size: _size,
    With: _with,
    Without: _without,
    Text: _text,
}  # INVARIANT: has every member of Expr; a test compares them
