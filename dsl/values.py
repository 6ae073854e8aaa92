"""Values as text and as JSON: how a policy, a recording and the audit log write them."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias, assert_never

from charter.dsl.types import (
    TIME_MAX,
    TIME_MIN,
    BagType,
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    IdType,
    IntType,
    OptionalType,
    RecordType,
    TextType,
    TimeType,
    Type,
    Value,
    decimal_text,
    inhabits,
    spelled,
)

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

_PLAIN = frozenset({BoolType, IntType, EnumType, IdType, TextType})  # their values are JSON as they are
_JSON = (bool, int, str)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DURATION = re.compile(r"(-?\d+) (ms|s|min|minutes?|h|hours?|days?)")
_UNITS = {"ms": 1, "s": 1000, "min": 60_000, "minute": 60_000, "h": 3_600_000, "hour": 3_600_000, "day": 86_400_000}


class Misfit(ValueError):
    """A value from outside that does not fit the declared type: what and where, for people."""


def spell(value: Value, type_: Type) -> str:
    """The value as a policy spells it; `unknown` where it is unknown."""
    if value is None:
        return "unknown"
    match type_:
        case OptionalType(of):
            return spell(value, of)
        case RecordType(name, fields) if isinstance(value, tuple):
            parts = (f"{n}: {spell(v, t)}" for v, (n, t) in zip(value, fields, strict=True))
            return f"{name}({', '.join(parts)})"
        case BagType(of) if isinstance(value, tuple):
            return "[" + ", ".join(spell(item, of) for item in value) + "]"
        case _:
            return str(to_json(value, type_)) if not isinstance(value, bool) else str(value).lower()


def to_json(value: Value, type_: Type) -> Json:
    """The value as JSON: decimals, times and durations as text, records as objects, unknown as null."""
    if type(type_) in _PLAIN and isinstance(value, _JSON):
        return value
    match type_:
        case OptionalType(of):
            return None if value is None else to_json(value, of)
        case DecimalType(places) if isinstance(value, int):
            return decimal_text(value, places)
        case TimeType() if isinstance(value, int):
            return time_text(value)
        case DurationType() if isinstance(value, int):
            return duration_text(value)
        case RecordType(_, fields) if isinstance(value, tuple):
            return {name: to_json(v, t) for v, (name, t) in zip(value, fields, strict=True)}
        case BagType(of) if isinstance(value, tuple):
            return [to_json(item, of) for item in value]
        case _:
            raise TypeError(f"{value!r} is no {spelled(type_)}")


def from_json(json: Json, type_: Type, where: str) -> Value:
    """The value that `json` stands for; raises `Misfit` naming `where` it does not fit."""
    value = _from_json(json, type_, where)
    if not inhabits(value, type_):
        raise Misfit(f"{where}: {_shown(json)} is no `{spelled(type_)}`")
    return value


def record_from_json(json: Json, fields: Iterable[tuple[str, Type]], where: str) -> dict[str, Value]:
    """The fields of a JSON object; an optional field may be left out, an undeclared one is refused."""
    if not isinstance(json, Mapping):
        raise Misfit(f"{where}: {_shown(json)} is no object")
    declared = dict(fields)
    for name in json:
        if name not in declared:
            raise Misfit(f"{where}: unknown field `{name}`; there are {_listed(declared)}")
    values: dict[str, Value] = {}
    for name, type_ in declared.items():
        if name not in json and not isinstance(type_, OptionalType):
            raise Misfit(f"{where}: field `{name}` is missing")
        values[name] = from_json(json.get(name), type_, f"{where}.{name}")
    return values


def _from_json(json: Json, type_: Type, where: str) -> Value:
    match type_:
        case OptionalType(of):
            return None if json is None else from_json(json, of, where)
        case DecimalType(places):
            return _decimal(json, places, where)
        case TimeType() if isinstance(json, str):
            return parse_time(json, where)
        case DurationType() if isinstance(json, str):
            return parse_duration(json, where)
        case RecordType(_, fields):
            return tuple(record_from_json(json, fields, where).values())
        case BagType(of) if isinstance(json, list):
            return tuple(from_json(item, of, f"{where}[{i}]") for i, item in enumerate(json))
        case BoolType() | IntType() | EnumType() | IdType() | TextType() if isinstance(json, _JSON):
            return json
        case BoolType() | IntType() | EnumType() | IdType() | TextType() | TimeType() | DurationType() | BagType():
            raise Misfit(f"{where}: {_shown(json)} is no `{spelled(type_)}`")
        case _:
            assert_never(type_)


def _decimal(json: Json, places: int, where: str) -> int:
    text = repr(json) if isinstance(json, float) else str(json)
    match = re.fullmatch(r"(-?)(\d{1,19})(?:\.(\d{1,19}))?", text)
    if isinstance(json, bool) or not match:
        raise Misfit(f"{where}: {_shown(json)} is no decimal number")
    sign, whole, fraction = match[1], match[2], (match[3] or "").rstrip("0")
    if len(fraction) > places:
        raise Misfit(f"{where}: {text} has more than {places} decimal places")
    scaled = int(whole + fraction.ljust(places, "0"))
    return -scaled if sign else scaled


def time_text(value: int) -> str:
    """RFC 3339, UTC, to the millisecond; a time outside the calendar as its milliseconds."""
    try:
        moment = _EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        return f"{value} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str, where: str) -> int:
    """Milliseconds since the epoch of an RFC 3339 time, which says its offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Misfit(f"{where}: {text!r} is no RFC 3339 time, such as 2026-01-31T09:30:00Z") from None
    if moment.tzinfo is None:
        raise Misfit(f"{where}: {text!r} does not say its offset from UTC; write 2026-01-31T09:30:00Z")
    since = (moment - _EPOCH) // timedelta(milliseconds=1)
    if not TIME_MIN <= since <= TIME_MAX:
        raise Misfit(f"{where}: {text!r} lies outside the years 1 to 9999, UTC")
    return since


def duration_text(value: int) -> str:
    """The shortest whole spelling: 300 ms, 5 s, 15 min, 24 h."""
    for unit in ("h", "min", "s"):
        if value and value % _UNITS[unit] == 0:
            return f"{value // _UNITS[unit]} {unit}"
    return f"{value} ms"


def parse_duration(text: str, where: str) -> int:
    """Milliseconds of a duration as a policy writes it."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise Misfit(f"{where}: {text!r} is no duration, such as 300 ms, 5 s, 15 min, 24 h, 7 days")
    return int(match[1]) * unit_ms(match[2])


def unit_ms(unit: str) -> int:
    """Milliseconds in a unit of time, singular or plural: ms, s, min, minute, h, hour, day."""
    return _UNITS[unit if unit in _UNITS else unit.removesuffix("s")]


def _shown(json: Json) -> str:
    text = repr(json)
    return text if len(text) <= 60 else text[:57] + "..."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
