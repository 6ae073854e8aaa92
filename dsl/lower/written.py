"""What is written as one value in the text: types, numbers and durations."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol, assert_never

from charter.dsl.diagnostics import Code, did_you_mean
from charter.dsl.lower.findings import Findings
from charter.dsl.source import Span
from charter.dsl.syntax import tree as s
from charter.dsl.types import (
    BOOL,
    DURATION,
    DURATION_MAX,
    ID,
    INT64_MAX,
    INT64_MIN,
    TIME,
    UNREAD,
    DecimalType,
    EnumType,
    IntType,
    OptionalType,
    RecordType,
    TextType,
    Type,
)
from charter.dsl.values import unit_ms

TYPE_WORDS = frozenset(
    {"bool", "date", "decimal", "duration", "id", "int", "list", "money", "personal", "secret", "text", "time"}
)
CHANNEL = EnumType("Channel", ("voice", "chat", "message"))
REASON = EnumType("Reason", ("late", "error", "invalid", "open_circuit", "exhausted"))
MAX_PLACES = 9
_ANY = (-(2**31), 2**31)  # bounds in place of wrong ones: what is stored or computed is not reported again


class Declared(Protocol):
    """The types that a policy declares."""

    @property
    def types(self) -> Mapping[str, Span]:
        """Every declared type, also those with mistakes."""

    @property
    def enums(self) -> Mapping[str, EnumType]:
        """The enums."""

    @property
    def records(self) -> Mapping[str, RecordType]:
        """The records."""

    @property
    def language_type(self) -> EnumType:
        """The policy's languages."""


def read_type(syntax: s.TypeSyntax, names: Declared, findings: Findings) -> Type:
    """The type that is written; where it has a mistake, which is reported, `UNREAD` or one without bounds."""
    match syntax:
        case s.OptionalOf(of):
            inner = read_type(of, names, findings)
            return inner if isinstance(inner, OptionalType) else OptionalType(inner)  # type: ignore[arg-type]
        case s.IntTypeOf(low, high, span):
            return IntType(*_bounds(low, high, 0, span, findings))
        case s.DecimalTypeOf(places, low, high, span):
            if not places.isdigit() or not 1 <= int(places) <= MAX_PLACES:
                findings.error(Code.RANGE, f"a decimal has 1 to {MAX_PLACES} places", span)
                places = str(MAX_PLACES)
            return DecimalType(int(places), *_bounds(low, high, int(places), span, findings))
        case s.TextTypeOf(limit, span):
            if not limit.isdigit() or not 1 <= int(limit) <= 65536:
                findings.error(Code.RANGE, "the most that a text may hold is 1 to 65536 characters", span)
                return TextType(1)
            return TextType(int(limit))
        case s.NamedType(name, span):
            return _named(name, span, names, findings)
        case _:
            assert_never(syntax)


def _bounds(low: str, high: str, places: int, span: Span, findings: Findings) -> tuple[int, int]:
    scaled = [scale(bound, places) for bound in (low, high)]
    if None in scaled:
        few = f"at most {places} decimal places" if places else "no decimal places"
        findings.error(Code.RANGE, f"a bound of this type has {few}", span)
        return _ANY
    first, last = (bound or 0 for bound in scaled)
    if first > last or first < INT64_MIN or last > INT64_MAX:
        why = "the lower bound is above the upper one" if first > last else "bounds lie within 64 bits"
        findings.error(Code.RANGE, why, span)
        return _ANY
    return first, last


def _named(name: str, span: Span, names: Declared, findings: Findings) -> Type:
    builtin: Mapping[str, Type] = {
        "bool": BOOL,
        "id": ID,
        "time": TIME,
        "duration": DURATION,
        "Channel": CHANNEL,
        "Reason": REASON,
        "Language": names.language_type,
    }
    for table in (builtin, names.enums, names.records):
        if name in table:
            return table[name]
    known = [*builtin, *names.enums, *names.records, *names.types, "int", "decimal", "text"]
    if name not in names.types:  # else it is a record that could not be built, reported there
        message, help_ = f"there is no type `{name}`", did_you_mean(name, known)
        if name in TYPE_WORDS:
            message, help_ = f"`{name}` is a type that this version of the language does not have yet", None
        findings.error(Code.UNKNOWN_NAME, message, span, help_)
    return UNREAD


def scale(number: str, places: int) -> int | None:
    """A written number times 10**places, or None where it has more places than that."""
    exact = Decimal(number).scaleb(places)
    return int(exact) if exact == exact.to_integral_value() else None


def duration_ms(duration: s.Duration, findings: Findings) -> int:
    """Milliseconds of a written duration; 0 where it is not a whole number of them, or too long."""
    exact = Decimal(duration.number) * unit_ms(duration.unit)
    if exact != int(exact) or exact > DURATION_MAX:
        message = "a duration is a whole number of milliseconds"
        message = message if exact != int(exact) else "a duration is at most 9,999 years long"
        findings.error(Code.RANGE, message, duration.span)
        return 0
    return int(exact)
