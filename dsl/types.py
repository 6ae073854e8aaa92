"""The types of the policy language, and the values that inhabit them.

A value is a plain Python object; its type says how to read it:

| type       | value                                                         |
|------------|---------------------------------------------------------------|
| `bool`     | `bool`                                                        |
| `int`      | `int` within its bounds                                       |
| `decimal(n)` | `int`, scaled by 10**n, within its (scaled) bounds          |
| `time`     | `int`, milliseconds since 1970-01-01T00:00:00Z, in the years 1 to 9999 (UTC) |
| `duration` | `int`, milliseconds, at most as long as those years either way |
| an enum    | `str`, the name of the value                                  |
| `id`, `text` | `str`                                                       |
| a record   | `tuple` of the fields' values, in declared order              |
| `T?`       | a value of `T`, or `None` where it is unknown                 |
| a bag      | `tuple` of records, in order of arrival (open calls; never declared by a policy) |
"""

from dataclasses import dataclass
from typing import TypeAlias, assert_never

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
TIME_MIN, TIME_MAX = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999, to the millisecond
DURATION_MAX = TIME_MAX - TIME_MIN

Value: TypeAlias = bool | int | str | tuple["Value", ...] | None


@dataclass(frozen=True, slots=True)
class BoolType:
    """True or false."""


@dataclass(frozen=True, slots=True)
class IntType:
    """A whole number, `low` to `high` inclusive."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class DecimalType:
    """An exact number with `places` decimal places; `low` and `high` are scaled like its values."""

    places: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class EnumType:
    """One of a closed list of names."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IdType:
    """An opaque identifier: equality only."""


@dataclass(frozen=True, slots=True)
class TextType:
    """An opaque text of at most `max` characters: rules may carry it, never look inside."""

    max: int


@dataclass(frozen=True, slots=True)
class TimeType:
    """A point in time."""


@dataclass(frozen=True, slots=True)
class DurationType:
    """A length of time."""


@dataclass(frozen=True, slots=True)
class RecordType:
    """Named fields in a fixed order."""

    name: str
    fields: tuple[tuple[str, "Type"], ...]

    def index(self, field: str) -> int | None:
        """The position of a field, or None where the record has no such field."""
        return next((i for i, (name, _) in enumerate(self.fields) if name == field), None)


@dataclass(frozen=True, slots=True)
class OptionalType:
    """A value of `of`, or unknown. `of` is never optional itself."""

    of: "PlainType"


@dataclass(frozen=True, slots=True)
class BagType:
    """Some records of one type, in order of arrival: the calls that are open."""

    of: RecordType


PlainType: TypeAlias = (
    BoolType | IntType | DecimalType | EnumType | IdType | TextType | TimeType | DurationType | RecordType
)
Type: TypeAlias = PlainType | OptionalType | BagType

UNREAD = EnumType("", ())  # in place of a written type that has a mistake: whatever has it is not looked at further
BOOL = BoolType()
ID = IdType()
TIME = TimeType()
DURATION = DurationType()


def optional(of: Type) -> Type:
    """`of?`; an optional type stays as it is."""
    match of:
        case OptionalType() | BagType():
            return of
        case _:
            return OptionalType(of)


def inhabits(value: Value, type_: Type) -> bool:
    """Whether a value belongs to a type, its bounds included."""
    match type_:
        case BoolType():
            return isinstance(value, bool)
        case IntType(low, high) | DecimalType(_, low, high):
            return _whole(value) and low <= value <= high  # type: ignore[operator]  # _whole says it is an int
        case TimeType():
            return _whole(value) and TIME_MIN <= value <= TIME_MAX  # type: ignore[operator]
        case DurationType():
            return _whole(value) and -DURATION_MAX <= value <= DURATION_MAX  # type: ignore[operator]
        case EnumType(_, values):
            return value in values
        case IdType():
            return isinstance(value, str)
        case TextType(limit):
            return isinstance(value, str) and len(value) <= limit
        case RecordType(_, fields):
            return (
                isinstance(value, tuple)
                and len(value) == len(fields)
                and all(inhabits(v, t) for v, (_, t) in zip(value, fields, strict=True))
            )
        case OptionalType(of):
            return value is None or inhabits(value, of)
        case BagType(of):
            return isinstance(value, tuple) and all(inhabits(item, of) for item in value)
        case _:
            assert_never(type_)


def _whole(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def spelled(type_: Type) -> str:
    """The type as a policy spells it."""
    match type_:
        case BoolType():
            return "bool"
        case IntType(low, high):
            return f"int {low}..{high}"
        case DecimalType(places, low, high):
            return f"decimal({places}) {decimal_text(low, places)}..{decimal_text(high, places)}"
        case EnumType(name) | RecordType(name):
            return name
        case IdType():
            return "id"
        case TextType(limit):
            return f"text max {limit}"
        case TimeType():
            return "time"
        case DurationType():
            return "duration"
        case OptionalType(of):
            return f"{spelled(of)}?"
        case BagType(of):
            return f"open {spelled(of)}"
        case _:
            assert_never(type_)


def decimal_text(scaled: int, places: int) -> str:
    """A scaled number as its shortest decimal text: 9300 with 4 places is "0.93"."""
    sign, digits = ("-" if scaled < 0 else ""), str(abs(scaled)).rjust(places + 1, "0")
    whole, fraction = (digits[:-places], digits[-places:].rstrip("0")) if places else (digits, "")
    return sign + whole + (f".{fraction}" if fraction else "")
