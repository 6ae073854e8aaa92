"""Turns the messages of `charter.v1` into the domain's types and back."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import assert_never

from charter.agents.suggestion import (
    Abstention,
    Description,
    Field,
    Identifier,
    Question,
    Record,
    Suggestion,
    Symbol,
    Value,
)
from charter.v1 import suggestion_pb2, values_pb2


class Unreadable(ValueError):
    """A value that its message can carry and its type cannot, such as a time in the year 30000."""


def question(message: suggestion_pb2.SuggestRequest) -> Question:
    """Returns what was asked; the message keeps the rules of its contract. Raises `Unreadable`."""
    return Question(message.agent, message.utterance, message.language, read_fields(message.sees))


def response(request_id: str, outcome: Suggestion | Abstention) -> suggestion_pb2.SuggestResponse:
    """Returns the answer to the request of that id."""
    match outcome:
        case Suggestion(fields):
            return suggestion_pb2.SuggestResponse(request_id=request_id, suggestion=write_record(fields))
        case Abstention(reason):
            abstention = suggestion_pb2.Abstention(reason=reason)
            return suggestion_pb2.SuggestResponse(request_id=request_id, abstention=abstention)
    assert_never(outcome)


def description(value: Description) -> suggestion_pb2.DescribeResponse:
    """Returns the message that says the same."""
    fields = [suggestion_pb2.FieldSchema(name=one.name, type=one.type, symbols=one.symbols) for one in value.fields]
    languages = [
        suggestion_pb2.LanguageReport(
            language=one.language, encoder=one.encoder, held_out=one.held_out, accuracy=one.accuracy
        )
        for one in value.languages
    ]
    return suggestion_pb2.DescribeResponse(
        name=value.name,
        fields=fields,
        languages=languages,
        model=value.model,
        model_digest=value.model_digest,
        data_digest=value.data_digest,
    )


def read_fields(messages: Iterable[values_pb2.Field]) -> tuple[Field, ...]:
    return tuple(Field(one.name, read_value(one.value)) for one in messages)


def read_value(message: values_pb2.Value) -> Value | None:
    match message.WhichOneof("kind"):
        case "boolean":
            return message.boolean
        case "integer":
            return message.integer
        case "decimal":
            return Decimal(message.decimal)
        case "symbol":
            return Symbol(message.symbol)
        case "id":
            return Identifier(message.id)
        case "text":
            return message.text
        case "time" | "duration":
            return read_time(message)
        case "record":
            return Record(read_fields(message.record.fields))
        case _:
            return None


def read_time(message: values_pb2.Value) -> datetime | timedelta:
    try:
        if message.HasField("time"):
            return message.time.ToDatetime(tzinfo=UTC)
        return message.duration.ToTimedelta()
    except (ValueError, OverflowError) as error:
        raise Unreadable("a time or duration is out of range") from error


def write_record(fields: Iterable[Field]) -> values_pb2.Record:
    return values_pb2.Record(fields=[values_pb2.Field(name=one.name, value=write_value(one.value)) for one in fields])


def write_value(value: Value | None) -> values_pb2.Value:
    message = values_pb2.Value()
    match value:
        case None:
            pass
        case bool():
            message.boolean = value
        case int():
            message.integer = value
        case Decimal():
            message.decimal = f"{value:f}"
        case Symbol(name):
            message.symbol = name
        case Identifier(text):
            message.id = text
        case str():
            message.text = value
        case datetime():
            message.time.FromDatetime(value)
        case timedelta():
            message.duration.FromTimedelta(value)
        case Record(fields):
            message.record.CopyFrom(write_record(fields))
        case _:
            assert_never(value)
    return message
