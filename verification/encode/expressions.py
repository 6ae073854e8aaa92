"""Expressions of a program as symbols: the same meaning as `dsl/semantics.py`, written a second time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from charter.dsl import program as p
from charter.dsl.program import Comparison, Expr, Operation, Variable
from charter.dsl.types import BagType
from charter.verification.encode.symbols import (
    Optional,
    Parts,
    Places,
    Symbol,
    added,
    constant,
    equal,
    fitted,
    holds,
    plain,
    removed,
    scalar,
    size,
)
from charter.verification.encode.terms import FALSE, TRUE, Graph, Term


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression can see: old and final variables, the fields of what is observed, and the time."""

    old: Mapping[Variable, Symbol]
    final: Mapping[Variable, Symbol]
    its: Mapping[str, Symbol]
    now: Term


def encoded(graph: Graph, expr: Expr, scope: Scope) -> Symbol:
    """The symbol of an expression."""
    match expr:
        case p.Const(value, type_):
            return constant(graph, value, type_)
        case p.Read(variable, _, old):
            return (scope.old if old else scope.final)[variable]
        case p.Its(name):
            return scope.now if name == "now" else scope.its[name]
        case p.Part(of, index):
            record = plain(encoded(graph, of, scope))
            assert isinstance(record, Parts)
            return record.of[index]
        case p.Make(type_, parts):
            fields = zip(parts, type_.fields, strict=True)
            return Parts(tuple(fitted(encoded(graph, part, scope), t) for part, (_, t) in fields))
        case p.Contains(bag, item):
            return holds(graph, _bag(graph, bag, scope), _item(graph, item, bag, scope))
        case p.Size(bag):
            return size(graph, _bag(graph, bag, scope))
        case p.With(bag, item):
            return added(graph, _bag(graph, bag, scope), _item(graph, item, bag, scope))
        case p.Without(bag, item):
            return removed(graph, _bag(graph, bag, scope), _item(graph, item, bag, scope))
        case p.Arithmetic(op, left, right):
            return _arithmetic(graph, op, _number(graph, left, scope), _number(graph, right, scope))
        case p.Text(parts):
            return _text(graph, parts, scope)
        case p.Known() | p.Not() | p.And() | p.Or() | p.Compare():
            return condition(graph, expr, scope)
        case _:
            assert_never(expr)


def condition(graph: Graph, expr: Expr, scope: Scope) -> Term:
    """The term of a condition."""
    match expr:
        case p.Known(of):
            found = encoded(graph, of, scope)
            return found.known if isinstance(found, Optional) else TRUE
        case p.Not(of):
            return graph.not_(condition(graph, of, scope))
        case p.And(parts):
            return graph.and_(*_until(graph, parts, scope, FALSE))
        case p.Or(parts):
            return graph.or_(*_until(graph, parts, scope, TRUE))
        case p.Compare(op, left, right):
            return _compare(graph, op, encoded(graph, left, scope), encoded(graph, right, scope))
        case _:
            return scalar(encoded(graph, expr, scope))


def _until(graph: Graph, parts: tuple[Expr, ...], scope: Scope, end: Term) -> list[Term]:
    """The terms of conditions up to the first that is surely `end`."""
    found: list[Term] = []
    for part in parts:
        found.append(condition(graph, part, scope))
        if found[-1] == end:
            break
    return found


def _compare(graph: Graph, op: Comparison, left: Symbol, right: Symbol) -> Term:
    if op is Comparison.EQ:
        return equal(graph, plain(left), plain(right))
    if op is Comparison.NE:
        return graph.not_(equal(graph, plain(left), plain(right)))
    a, b = scalar(left), scalar(right)
    match op:
        case Comparison.LT:
            return graph.not_(graph.le(b, a))
        case Comparison.LE:
            return graph.le(a, b)
        case Comparison.GT:
            return graph.not_(graph.le(a, b))
        case Comparison.GE:
            return graph.le(b, a)
        case _:
            assert_never(op)


def _arithmetic(graph: Graph, op: Operation, left: Term, right: Term) -> Term:
    match op:
        case Operation.ADD:
            return graph.add(left, right)
        case Operation.SUB:
            return graph.minus(left, right)
        case Operation.MUL:
            return graph.mul(left, right)
        case _:
            assert_never(op)


def _number(graph: Graph, expr: Expr, scope: Scope) -> Term:
    return scalar(encoded(graph, expr, scope))


def _bag(graph: Graph, expr: Expr, scope: Scope) -> Places:
    found = encoded(graph, expr, scope)
    assert isinstance(found, Places)
    return found


def _item(graph: Graph, expr: Expr, bag: Expr, scope: Scope) -> Symbol:
    type_ = p.type_of(bag)
    assert isinstance(type_, BagType)
    return fitted(encoded(graph, expr, scope), type_.of)


def _text(graph: Graph, parts: tuple[str | Expr, ...], scope: Scope) -> Symbol:
    """A text with slots; where all of them are the same, so is the text."""
    between = [""]
    slots: list[Term] = []
    for part in parts:
        if isinstance(part, str):
            between[-1] += part
            continue
        for term in _leaves(encoded(graph, part, scope)):
            slots.append(term)
            between.append("")
    return graph.render(tuple(between), tuple(slots))


def _leaves(of: Symbol) -> list[Term]:
    match of:
        case Optional(known, value):
            return [known, *_leaves(value)]
        case Parts(parts):
            return [t for part in parts for t in _leaves(part)]
        case Places():
            raise TypeError("a bag has no text")
        case _:
            return [Term(of)]
