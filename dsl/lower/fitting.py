"""Whether a value fits where it stands: its type, its bounds, and whether it is known there."""

from charter.dsl import program as p
from charter.dsl.diagnostics import Code
from charter.dsl.lower.scope import ILL, Ill, Scope
from charter.dsl.program import Expr
from charter.dsl.source import Span
from charter.dsl.types import (
    DecimalType,
    IntType,
    OptionalType,
    RecordType,
    TextType,
    Type,
    inhabits,
    spelled,
)


def fit(found: Expr, wanted: Type, scope: Scope, span: Span) -> Expr | Ill:
    have = p.type_of(found)
    if isinstance(found, p.Const) and found.value is None:
        if isinstance(wanted, OptionalType):
            return p.Const(None, wanted)
        if found in scope.known:  # given to a define, behind a guard that never holds then
            return found
        scope.findings.error(Code.MAYBE_UNKNOWN, f"`unknown` is no `{spelled(wanted)}`", span)
        return ILL
    plain = have.of if isinstance(have, OptionalType) else have
    target = wanted.of if isinstance(wanted, OptionalType) else wanted
    if not same_kind(plain, target):
        scope.findings.error(Code.TYPE, f"this is {described(have)}, where `{spelled(wanted)}` is wanted", span)
        return ILL
    if isinstance(have, OptionalType) and not isinstance(wanted, OptionalType):
        return certain(found, scope, span)
    if isinstance(found, p.Const) and not inhabits(found.value, target):
        scope.findings.error(Code.RANGE, f"this lies outside `{spelled(target)}`", span)
        return ILL
    return found


def certain(found: Expr, scope: Scope, span: Span) -> Expr | Ill:
    """The expression, if it is known here; otherwise its author is told how to guard it."""
    if not isinstance(p.type_of(found), OptionalType) or found in scope.known:
        return found
    name = _as_written(found)
    message = f"`{name}` may be unknown here" if name else "this may be unknown here"
    help_ = f"guard it with `{name or '…'} is known and …`, or compare it with `known==`, `known!=`, `known<` …"
    scope.findings.error(Code.MAYBE_UNKNOWN, message, span, help_)
    return ILL


def _as_written(found: Expr) -> str | None:
    """A simple expression as its author wrote it; None for others."""
    match found:
        case p.Read(variable):
            return variable if " " not in variable else None
        case p.Its(name):
            return f"its {name}"
        case p.Part(of, index):
            whole, record = _as_written(of), plain(of)
            return f"{whole}.{record.fields[index][0]}" if whole and isinstance(record, RecordType) else None
        case _:
            return None


def described(type_: Type) -> str:
    """A type in a message; a literal number has no bounds of its own."""
    literal = isinstance(type_, IntType | DecimalType) and type_.low == type_.high
    return "a number" if literal else f"`{spelled(type_)}`"


def same_kind(left: Type, right: Type) -> bool:
    """Whether values of two plain types can be compared or stored for each other; bounds are not looked at."""
    match left, right:
        case (IntType(), IntType()) | (TextType(), TextType()):
            return True
        case DecimalType(places), DecimalType(others):
            return places == others
        case _:
            return left == right


def fits_within(inner: Type, outer: Type) -> bool:
    match inner, outer.of if isinstance(outer, OptionalType) else outer:
        case (IntType(low, high), IntType(least, most)) | (DecimalType(_, low, high), DecimalType(_, least, most)):
            return least <= low and high <= most
        case TextType(length), TextType(limit):
            return length <= limit
        case _:
            return True


def plain(found: Expr) -> Type:
    type_ = p.type_of(found)
    return type_.of if isinstance(type_, OptionalType) else type_
