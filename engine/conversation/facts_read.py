"""What a clause read when it fired: the answer to "on which facts?"."""

from collections.abc import Iterator
from dataclasses import dataclass
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
    Variable,
    With,
    Without,
)
from charter.dsl.semantics import Outcome
from charter.dsl.types import Type, Value


@dataclass(frozen=True, slots=True)
class Fact:
    """A variable that a clause reads, as it is after the step or as it was when the rules began."""

    name: str
    type: Type
    variable: Variable
    final: bool

    def seen(self, outcome: Outcome) -> Value:
        """The value that the clause saw."""
        return (outcome.state if self.final else outcome.old)[self.variable]


def facts_read(program: Program, clause: Clause) -> tuple[Fact, ...]:
    """The variables that the clause's guard, writes and acts name, in order.

    A fact that is read as it stood before the step is called `was f`. Where a guard knows early, as in `a or b`, what
    it does not come to is named too.
    """
    facts: dict[str, Fact] = {}
    for expr in _expressions(clause):
        for read in _reads(expr):
            info = program.variables[read.variable]
            # Rules write facts; everything else a rule reads as it was when the rules began.
            final = info.role is Role.FACT and not read.old
            name = f"was {read.variable}" if info.role is Role.FACT and read.old else read.variable
            facts[name] = Fact(name, info.type, read.variable, final)
    return tuple(facts.values())


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
