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
    Variable,
    With,
    Without,
    type_of,
)
from charter.dsl.types import BoolType, Value
from charter.dsl.values import spell


@dataclass(slots=True)  # to freeze it would cost more than all else that a small step does with it
class Scope:
    """What an expression can see: old and final variables, and the fields of what is observed."""

    old: State
    final: State
    its: Mapping[str, Value]
    now: int


Meaning: TypeAlias = Callable[[Scope], Value]
Shared: TypeAlias = dict[Expr, Meaning]


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


def meaning(expr: Expr, shared: Shared | None = None) -> Meaning:
    """What an expression means. Equal expressions share one function in `shared`: there are few, looked at often."""
    shared = {} if shared is None else shared
    found = shared.get(expr)
    if found is None:
        found = shared[expr] = _meaning(expr, shared)
    return found


def _meaning(expr: Expr, shared: Shared) -> Meaning:
    """`and` and `or` go from left to right and stop when they know."""
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
            record = _items(meaning(of, shared))
            return lambda scope: record(scope)[index]
        case Make(_, parts):
            fields = [meaning(part, shared) for part in parts]
            return lambda scope: tuple([field(scope) for field in fields])
        case Known(of):
            maybe = meaning(of, shared)
            return lambda scope: maybe(scope) is not None
        case Not(Read(variable, _, old=False)):
            return lambda scope: not scope.final[variable]
        case Not(of):
            condition = meaning(of, shared)
            return lambda scope: not condition(scope)
        case And(parts) if len(flags := [_flag(part) for part in parts]) > 1 and None not in flags:
            return _flags([flag for flag in flags if flag is not None])
        case And(parts):
            return _all([meaning(part, shared) for part in parts])
        case Or(parts):
            return _any([meaning(part, shared) for part in parts])
        case Compare(op, Read(variable, _, old=False), Const(value)):
            return _compared(COMPARISONS[op], variable, value)
        case Compare(op, Read(variable, _, old=False), Its(name)) if name != "now":
            return _compared_with_its(COMPARISONS[op], variable, name)
        case Compare(Comparison.GT, Size(Read(variable, _, old=False)), Const(0)):
            return lambda scope: bool(scope.final[variable])
        case Compare(op, left, right):
            return _both(COMPARISONS[op], meaning(left, shared), meaning(right, shared))
        case Arithmetic(op, left, right):
            return _both(_OPERATIONS[op], _number(meaning(left, shared)), _number(meaning(right, shared)))
        case Contains(bag, item):
            return _both(operator.contains, _items(meaning(bag, shared)), meaning(item, shared))
        case Size(bag):
            items = _items(meaning(bag, shared))
            return lambda scope: len(items(scope))
        case With(bag, item):
            return _both(_with, _items(meaning(bag, shared)), meaning(item, shared))
        case Without(bag, item):
            return _both(_without, _items(meaning(bag, shared)), meaning(item, shared))
        case Text(parts):
            words = [_word(part, shared) for part in parts]
            return lambda scope: "".join([word(scope) for word in words])
        case _:
            assert_never(expr)


def _both(of: Callable[[Any, Any], Value], left: Meaning, right: Meaning) -> Meaning:
    return lambda scope: of(left(scope), right(scope))


def _compared(of: Callable[[Any, Any], bool], variable: Variable, value: Value) -> Meaning:
    """As `_both`, without a call for each side: most comparisons are such."""
    return lambda scope: of(scope.final[variable], value)


def _compared_with_its(of: Callable[[Any, Any], bool], variable: Variable, name: str) -> Meaning:
    return lambda scope: of(scope.final[variable], scope.its[name])


def _all(conditions: list[Meaning]) -> Meaning:
    def holds(scope: Scope) -> bool:
        for condition in conditions:
            if not condition(scope):
                return False
        return True

    return holds


def _flag(expr: Expr) -> tuple[Variable, bool] | None:
    """A flag as it must be, if the expression is that one is set or not."""
    match expr:
        case Read(variable, BoolType(), old=False):
            return variable, True
        case Not(Read(variable, BoolType(), old=False)):
            return variable, False
        case _:
            return None


def _flags(flags: list[tuple[Variable, bool]]) -> Meaning:
    values, wanted = operator.itemgetter(*(variable for variable, _ in flags)), tuple(flag for _, flag in flags)
    return lambda scope: values(scope.final) == wanted


def _any(conditions: list[Meaning]) -> Meaning:
    def holds(scope: Scope) -> bool:
        for condition in conditions:
            if condition(scope):
                return True
        return False

    return holds


def _number(value: Meaning) -> Meaning:
    return lambda scope: number(value(scope))


def _items(value: Meaning) -> Callable[[Scope], tuple[Value, ...]]:
    """A record or a bag, which the checker has shown to be known."""

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


def _word(part: str | Expr, shared: Shared) -> Callable[[Scope], str]:
    """A part of a text."""
    if isinstance(part, str):
        return lambda _: part
    value, type_ = meaning(part, shared), type_of(part)
    return lambda scope: spell(value(scope), type_)


COMPARISONS: Mapping[Comparison, Callable[[Any, Any], bool]] = {
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
