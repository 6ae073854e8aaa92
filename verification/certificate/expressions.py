"""Expressions of a program as columns, from their meaning in `dsl/evaluate.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from charter.dsl import program as p
from charter.dsl.program import Comparison, Expr, Variable, type_of
from charter.dsl.types import BagType, RecordType, Type
from charter.verification.certificate.columns import Columns, Numbering, constant, equal, names, part, plain, shaped
from charter.verification.certificate.open_calls import contains, size, some, with_, without
from charter.verification.certificate.script import TRUE, Script, Sort, Term


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression can see."""

    old: Mapping[Variable, Columns]
    final: Mapping[Variable, Columns]
    its: Mapping[str, Columns]
    now: Term


@dataclass(frozen=True, slots=True)
class Expressions:
    """Writes expressions into a script."""

    script: Script
    numbering: Numbering

    def value(self, expr: Expr, scope: Scope) -> Columns:
        """The columns of an expression."""
        match expr:
            case p.Const(value, type_):
                return constant(self.numbering, value, type_)
            case p.Read(variable, _, old):
                return (scope.old if old else scope.final)[variable]
            case p.Its(field):
                return {"": scope.now} if field == "now" else scope.its[field]
            case p.Part(of, index):
                return part(self.value(of, scope), _record(of), index)
            case p.Make(type_, parts):
                given = {n: self.as_(t, e, scope) for e, (n, t) in zip(parts, type_.fields, strict=True)}
                return {f".{name}{inner}": term for name, of_ in given.items() for inner, term in of_.items()}
            case p.With(bag, item):
                return with_(self.script, *self._bag(bag, item, scope))
            case p.Without(bag, item):
                return without(self.script, *self._bag(bag, item, scope))
            case p.Text(parts):
                return {"": self._text(parts, scope)}
            case p.Arithmetic(op, left, right):
                return {"": self.script.arithmetic(op.value, self.term(left, scope), self.term(right, scope))}
            case p.Size(bag):
                return {"": size(self.script, self.value(bag, scope))}
            case p.Known() | p.Not() | p.And() | p.Or() | p.Compare() | p.Contains():
                return {"": self.holds(expr, scope)}
            case _:
                assert_never(expr)

    def as_(self, type_: Type, expr: Expr, scope: Scope) -> Columns:
        """The columns of an expression as a value of that type."""
        found = self.value(expr, scope)
        return shaped(found, names(type_))

    def term(self, expr: Expr, scope: Scope) -> Term:
        """The one term of an expression that is known, and neither a record nor a bag."""
        return self.value(expr, scope)[""]

    def holds(self, expr: Expr, scope: Scope) -> Term:
        """Whether a condition holds."""
        script = self.script
        match expr:
            case p.Known(of):
                return self.value(of, scope).get("?", TRUE)
            case p.Not(of):
                return script.not_(self.holds(of, scope))
            case p.And(parts):
                return script.and_(self.holds(each, scope) for each in parts)
            case p.Or(parts):
                return script.or_(self.holds(each, scope) for each in parts)
            case p.Compare(Comparison.GT, p.Size(bag), p.Const(0)):
                return some(script, self.value(bag, scope))
            case p.Compare(op, left, right):
                return self._compared(op, left, right, scope)
            case p.Contains(bag, item):
                return contains(script, *self._bag(bag, item, scope))
            case _:
                return self.term(expr, scope)

    def _compared(self, op: Comparison, left: Expr, right: Expr, scope: Scope) -> Term:
        script = self.script
        a, b = self.value(left, scope), self.value(right, scope)
        match op:
            case Comparison.EQ | Comparison.NE:
                type_ = plain(type_of(left))
                same = equal(script, type_, shaped(a, names(type_)), shaped(b, names(type_)))
                return same if op is Comparison.EQ else script.not_(same)
            case Comparison.LT:
                return script.lt(a[""], b[""])
            case Comparison.LE:
                return script.le(a[""], b[""])
            case Comparison.GT:
                return script.lt(b[""], a[""])
            case Comparison.GE:
                return script.le(b[""], a[""])
            case _:
                assert_never(op)

    def _bag(self, bag: Expr, item: Expr, scope: Scope) -> tuple[Columns, Columns, RecordType]:
        type_ = type_of(bag)
        assert isinstance(type_, BagType)
        return self.value(bag, scope), self.as_(type_.of, item, scope), type_.of

    def _text(self, parts: tuple[str | Expr, ...], scope: Scope) -> Term:
        """A text with slots may be any, though it is the same where its slots are."""
        if all(isinstance(each, str) for each in parts):
            return self.numbering.of("".join(str(each) for each in parts))
        spelled = [repr(e) if isinstance(e, str) else _spelled(self.value(e, scope)) for e in parts]
        return self.script.unread(f"text {' '.join(spelled)}", Sort.INT)


def _spelled(of: Columns) -> str:
    return " ".join(f"{name}={term.text}" for name, term in of.items())


def _record(expr: Expr) -> RecordType:
    type_ = plain(type_of(expr))
    assert isinstance(type_, RecordType)
    return type_
