"""What an expression means: a function from what can be seen to a value, made once from its tree."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

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


Meaning: TypeAlias = Callable[[Scope], Value]


def evaluate(expr: Expr, scope: Scope) -> Value:
    """The value of an expression."""
    return meaning(expr)(scope)


def constant(expr: Expr, state: State) -> Value:
    """The value of an expression that mentions nothing but the state."""
    return evaluate(expr, Scope(state, state, {}, 0))


def number(value: Value) -> int:
    """A value that the checker has shown to be a known whole number."""
    if not isinstance(value, int):
        raise TypeError(f"not a known number: {value!r}")
    return value


def meaning(expr: Expr) -> Meaning:
    """What an expression means. `and` and `or` go from left to right and stop when they know."""
    match expr:
        case Const(value):
            return lambda _: value
        case Read(variable, _, old=True):
            return lambda scope: scope.old[variable]
        case Read(variable):
            return lambda scope: scope.final[variable]
        case Its("now"):
            return lambda scope: scope.now
        case Its(name):
            return lambda scope: scope.its[name]
        case Part(of, index):
            record = _items(of)
            return lambda scope: record(scope)[index]
        case Make(_, parts):
            fields = [meaning(part) for part in parts]
            return lambda scope: tuple([field(scope) for field in fields])
        case Known(of):
            maybe = meaning(of)
            return lambda scope: maybe(scope) is not None
        case Not(of):
            condition = meaning(of)
            return lambda scope: not condition(scope)
        case And(parts):
            return _all([meaning(part) for part in parts])
        case Or(parts):
            return _any([meaning(part) for part in parts])
        case Compare(op, left, right):
            return _both(_COMPARISONS[op], meaning(left), meaning(right))
        case Arithmetic(op, left, right):
            return _both(_OPERATIONS[op], _number(left), _number(right))
        case Contains(bag, item):
            return _both(operator.contains, _items(bag), meaning(item))
        case Size(bag):
            items = _items(bag)
            return lambda scope: len(items(scope))
        case With(bag, item):
            return _both(_with, _items(bag), meaning(item))
        case Without(bag, item):
            return _both(_without, _items(bag), meaning(item))
        case Text(parts):
            words = [_word(part) for part in parts]
            return lambda scope: "".join([word(scope) for word in words])
        case _:
            assert_never(expr)


def _both(of: Callable[[Any, Any], Value], left: Meaning, right: Meaning) -> Meaning:
    return lambda scope: of(left(scope), right(scope))


def _all(conditions: list[Meaning]) -> Meaning:
    def holds(scope: Scope) -> bool:
        for condition in conditions:
            if not condition(scope):
                return False
        return True

    return holds


def _any(conditions: list[Meaning]) -> Meaning:
    def holds(scope: Scope) -> bool:
        for condition in conditions:
            if condition(scope):
                return True
        return False

    return holds


def _number(expr: Expr) -> Meaning:
    value = meaning(expr)
    return lambda scope: number(value(scope))


def _items(expr: Expr) -> Callable[[Scope], tuple[Value, ...]]:
    """A record or a bag, which the checker has shown to be known."""
    value = meaning(expr)

    def items(scope: Scope) -> tuple[Value, ...]:
        found = value(scope)
        if not isinstance(found, tuple):
            raise TypeError(f"not a known record: {found!r}")
        return found

    return items


def _with(bag: tuple[Value, ...], item: Value) -> Value:
    return (*bag, item)


def _without(bag: tuple[Value, ...], item: Value) -> Value:
    if item not in bag:
        return bag
    at = bag.index(item)
    return bag[:at] + bag[at + 1 :]


def _word(part: str | Expr) -> Callable[[Scope], str]:
    """A part of a text."""
    if isinstance(part, str):
        return lambda _: part
    value, type_ = meaning(part), type_of(part)
    return lambda scope: spell(value(scope), type_)


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
