"""Arithmetic: which types it has a meaning for, and the bounds that show that it fits 64 bits."""

from charter.dsl import program as p
from charter.dsl.diagnostics import Code
from charter.dsl.lower.fitting import described, plain
from charter.dsl.lower.scope import ILL, Ill, Scope
from charter.dsl.program import Expr
from charter.dsl.source import Span
from charter.dsl.types import (
    DURATION,
    INT64_MAX,
    INT64_MIN,
    TIME,
    DecimalType,
    DurationType,
    IntType,
    TimeType,
    Type,
    spelled,
)


def numeric(found: Expr, scope: Scope, span: Span) -> Type | None:
    type_ = plain(found)
    if isinstance(type_, IntType | DecimalType | DurationType):
        return type_
    scope.findings.error(Code.TYPE, f"`{spelled(type_)}` is no number", span)
    return None


def bounded(op: p.Operation, left: Expr, right: Expr, scope: Scope, span: Span) -> Expr | Ill:
    """The arithmetic, if its types allow it and its bounds show that it fits 64 bits."""
    result = _result_type(op, plain(left), plain(right))
    if result is None:
        have = f"{described(plain(left))} `{op}` {described(plain(right))}"
        scope.findings.error(Code.TYPE, f"{have} has no meaning", span)
        return ILL
    if isinstance(result, IntType | DecimalType) and not INT64_MIN <= result.low <= result.high <= INT64_MAX:
        scope.findings.error(Code.OVERFLOW, "the result may not fit 64 bits", span, "declare narrower bounds")
        return ILL
    return p.Arithmetic(op, left, right, result)


def _result_type(op: p.Operation, left: Type, right: Type) -> Type | None:
    match op, left, right:
        case p.Operation.ADD | p.Operation.SUB, TimeType(), DurationType():
            return TIME
        case p.Operation.SUB, TimeType(), TimeType():
            return DURATION
        case p.Operation.ADD | p.Operation.SUB, DurationType(), DurationType():
            return DURATION
        case p.Operation.MUL, IntType(a, b), IntType(c, d):
            return IntType(*_corners(a, b, c, d))
        case p.Operation.MUL, DecimalType(places, a, b), IntType(c, d):
            return DecimalType(places, *_corners(a, b, c, d))
        case p.Operation.MUL, IntType(a, b), DecimalType(places, c, d):
            return DecimalType(places, *_corners(a, b, c, d))
        case p.Operation.ADD, IntType(a, b), IntType(c, d):
            return IntType(a + c, b + d)
        case p.Operation.SUB, IntType(a, b), IntType(c, d):
            return IntType(a - d, b - c)
        case p.Operation.ADD, DecimalType(n, a, b), DecimalType(m, c, d) if n == m:
            return DecimalType(n, a + c, b + d)
        case p.Operation.SUB, DecimalType(n, a, b), DecimalType(m, c, d) if n == m:
            return DecimalType(n, a - d, b - c)
        case _:
            return None


def _corners(a: int, b: int, c: int, d: int) -> tuple[int, int]:
    products = (a * c, a * d, b * c, b * d)
    return min(products), max(products)
