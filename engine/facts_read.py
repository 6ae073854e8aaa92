"""What a clause read when it fired: the answer to "on which facts?"."""

from collections.abc import Iterator, Mapping
from typing import assert_never

from charter.dsl.program import (
    And,
    Arithmetic,
    Clause,
    Compare,
    Const,
    Contains,
    Expr,
    Its,
    Known,
    Make,
    Not,
    Or,
    Part,
    Program,
    Read,
    Role,
    Size,
    Text,
    With,
    Without,
)
from charter.dsl.semantics import Outcome
from charter.dsl.types import Type, Value


def facts_read(program: Program, clause: Clause, outcome: Outcome) -> Mapping[str, tuple[Value, Type]]:
    """The variables that the clause's guard, writes and acts name, with the values that it saw, in order.

    A fact that was read as it stood before the step is called `was f`. Where a guard knew early, as in `a or b`, what
    it did not come to is named too.
    """
    facts: dict[str, tuple[Value, Type]] = {}
    for expr in _expressions(clause):
        for read in _reads(expr):
            info = program.variables[read.variable]
            # Rules write facts; everything else a rule reads as it was when the rules began.
            final = info.role is Role.FACT and not read.old
            values = outcome.state if final else outcome.old
            name = f"was {read.variable}" if info.role is Role.FACT and read.old else read.variable
            facts[name] = values[read.variable], info.type
    return facts


def _expressions(clause: Clause) -> Iterator[Expr]:
    yield clause.guard
    for write in clause.writes:
        yield write.value
    for site in clause.acts:
        for _, value in site.args:
            yield value
        if site.reason is not None:
            yield site.reason


def _reads(expr: Expr) -> Iterator[Read]:
    if isinstance(expr, Read):
        yield expr
    for part in _parts(expr):
        yield from _reads(part)


def _parts(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Const() | Read() | Its():
            return ()
        case Part(of) | Known(of) | Not(of) | Size(of):
            return (of,)
        case Make(_, parts) | And(parts) | Or(parts):
            return parts
        case Compare(_, left, right) | Arithmetic(_, left, right):
            return left, right
        case Contains(bag, item) | With(bag, item) | Without(bag, item):
            return bag, item
        case Text(parts):
            return tuple(part for part in parts if not isinstance(part, str))
        case _:
            assert_never(expr)
