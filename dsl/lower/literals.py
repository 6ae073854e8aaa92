"""Literals: a number, text or time takes its type from where it stands."""

from charter.dsl import program as p
from charter.dsl.diagnostics import Code
from charter.dsl.lower.scope import ILL, Ill, Scope
from charter.dsl.lower.written import scale
from charter.dsl.program import Expr
from charter.dsl.source import Span
from charter.dsl.types import (
    ID,
    INT64_MAX,
    INT64_MIN,
    TIME,
    DecimalType,
    EnumType,
    IntType,
    TextType,
    Type,
)
from charter.dsl.values import Misfit, parse_time


def number(text: str, hint: Type | None, scope: Scope, span: Span) -> Expr | Ill:
    places = hint.places if isinstance(hint, DecimalType) else 0
    if hint is None and "." in text:
        places = len(text.split(".")[1])
    scaled = scale(text, places)
    if scaled is None:
        what = f"at most {places} decimal places" if places else "no decimal places"
        scope.findings.error(Code.RANGE, f"`{text}` has more places than its type, which has {what}", span)
        return ILL
    if not INT64_MIN <= scaled <= INT64_MAX:
        scope.findings.error(Code.RANGE, f"`{text}` does not fit 64 bits", span)
        return ILL
    type_ = DecimalType(places, scaled, scaled) if places else IntType(scaled, scaled)
    return p.Const(scaled, type_)


def string(text: str, hint: Type | None, scope: Scope, span: Span) -> Expr | Ill:
    if isinstance(hint, TextType):
        return p.Const(text, TextType(max(1, len(text))))
    if isinstance(hint, EnumType):
        scope.findings.error(Code.TYPE, "a value of an enum is written without quotes", span)
        return ILL
    return p.Const(text, ID)


def time(text: str, scope: Scope, span: Span) -> Expr | Ill:
    try:
        return p.Const(parse_time(text if "T" in text else f"{text}T00:00:00Z", "time"), TIME)
    except Misfit:
        message = f"`{text}` is no point in time in the years 1 to 9999"
        scope.findings.error(Code.RANGE, message, span, "write it as `2026-01-31T09:30:00Z`")
        return ILL
