"""What a provider says of its fields, and whether what it gives is that."""

import re
from collections.abc import Iterable
from decimal import Decimal

from charter.v1.suggestion_pb2 import FieldSchema
from charter.v1.values_pb2 import Field, Value

KINDS = {
    "bool": "boolean",
    "int": "integer",
    "decimal": "decimal",
    "id": "id",
    "text": "text",
    "time": "time",
    "duration": "duration",
}
"""The kind of value of a type, by its first word; of other types nothing is known here."""


def misdescribed(field: FieldSchema) -> str:
    """Returns what the description of a field lacks."""
    if not field.name or not field.type:
        return f"the field `{field.name}` has no name, or no type"
    if field.type.rstrip("?") == "enum" and not field.symbols:
        return f"the enum `{field.name}` has no values"
    return ""


def misfitting(fields: Iterable[Field], described: Iterable[FieldSchema]) -> str:
    """Returns what is wrong with fields that should be those described."""
    values = {one.name: one.value for one in fields}
    schemas = {one.name: one for one in described}
    if values.keys() != schemas.keys():
        return f"it gives {', '.join(values) or 'nothing'}, and describes {', '.join(schemas) or 'nothing'}"
    return next((why for name, value in values.items() if (why := misvalued(value, schemas[name]))), "")


def misvalued(value: Value, field: FieldSchema) -> str:
    """Returns what is wrong with a value of the field."""
    kind, type_ = value.WhichOneof("kind"), field.type
    expected = "symbol" if field.symbols else KINDS.get(re.split(r"[ (?]", type_)[0], kind)
    if kind is None:
        return "" if type_.endswith("?") else f"`{field.name}` is unknown, and described as `{type_}`"
    if kind != expected:
        return f"`{field.name}` is a value of kind {kind}, and described as `{type_}`"
    if kind == "symbol" and value.symbol not in field.symbols:
        return f"`{value.symbol}` is not described as a value of `{field.name}`"
    if kind in ("integer", "decimal") and not in_bounds(Decimal(getattr(value, kind)), type_):
        return f"`{field.name}` is {getattr(value, kind)}, and described as `{type_}`"
    longest = re.search(r"max (\d+)", type_)
    if kind == "text" and longest and len(value.text) > int(longest.group(1)):
        return f"`{field.name}` has {len(value.text)} characters, and is described as `{type_}`"
    return ""


def in_bounds(number: Decimal, type_: str) -> bool:
    """Whether a number is one of the type's, such as `decimal(4) 0..1`."""
    places, bounds = re.search(r"\((\d+)\)", type_), bounds_of(type_)
    exact = not places or number == round(number, int(places.group(1)))
    return exact and (not bounds or bounds[0] <= number <= bounds[1])


def bounds_of(type_: str) -> tuple[Decimal, Decimal] | None:
    """Returns the least and the greatest number of a type."""
    found = re.search(r"(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)", type_)
    return (Decimal(found.group(1)), Decimal(found.group(2))) if found else None
