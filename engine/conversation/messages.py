"""Protobuf messages and the domain's values, one into the other. Past this module no message travels.

What comes in is checked against the types that the policy declares; `values.Misfit` says where it does not fit.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import assert_never

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from charter.dsl.acts import spoken
from charter.dsl.program import Act, ActKind, EventKind, Program
from charter.dsl.types import (
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
from charter.dsl.values import Misfit, from_json, spell
from charter.engine.conversation.flight import Shown
from charter.engine.conversation.snapshot import Snapshot
from charter.engine.store import ConversationId, RequestId
from charter.v1 import conversations_pb2, values_pb2

# --- values ----------------------------------------------------------------------------------------------------------


def to_message(value: Value, type_: Type) -> values_pb2.Value:
    """The message of a value; one without a kind where it is unknown."""
    if value is None:
        return values_pb2.Value()
    match type_:
        case OptionalType(of):
            return to_message(value, of)
        case BoolType() if isinstance(value, bool):
            return values_pb2.Value(boolean=value)
        case IntType() if isinstance(value, int):
            return values_pb2.Value(integer=value)
        case DecimalType(places) if isinstance(value, int):
            return values_pb2.Value(decimal=decimal_text(value, places))
        case EnumType() if isinstance(value, str):
            return values_pb2.Value(symbol=value)
        case IdType() if isinstance(value, str):
            return values_pb2.Value(id=value)
        case TextType() if isinstance(value, str):
            return values_pb2.Value(text=value)
        case TimeType() if isinstance(value, int):
            return values_pb2.Value(time=timestamp(value))
        case DurationType() if isinstance(value, int):
            return values_pb2.Value(duration=duration(value))
        case RecordType(_, fields) if isinstance(value, tuple):
            named = {name: part for part, (name, _) in zip(value, fields, strict=True)}
            return values_pb2.Value(record=values_pb2.Record(fields=to_fields(named, fields)))
        case BagType():
            return values_pb2.Value(text=spell(value, type_))  # bookkeeping: for people only
        case _:
            raise TypeError(f"{value!r} is no {spelled(type_)}")


def to_fields(values: Mapping[str, Value], types: Iterable[tuple[str, Type]]) -> list[values_pb2.Field]:
    """The messages of named values, in declared order."""
    return [values_pb2.Field(name=name, value=to_message(values[name], type_)) for name, type_ in types]


def from_message(message: values_pb2.Value, type_: Type, where: str) -> Value:
    """The value of a message; `Misfit` where it is of another type than the policy declares, or out of its bounds."""
    if isinstance(type_, OptionalType):
        return None if message.WhichOneof("kind") is None else from_message(message, type_.of, where)
    value = _from_message(message, type_, where)
    if not inhabits(value, type_):
        raise Misfit(f"{where}: {spell(value, type_)[:60]} is no `{spelled(type_)}`")
    return value


def from_record(
    record: Iterable[values_pb2.Field],
    fields: Sequence[tuple[str, Type]],
    where: str,
    defaults: Mapping[str, Value] = MappingProxyType({}),
) -> dict[str, Value]:
    """The fields of a record; an undeclared or repeated one is a `Misfit`.

    One that is left out has its default, or is unknown where it is optional; else that is a `Misfit` too.
    """
    declared, given = dict(fields), dict[str, values_pb2.Value]()
    for field in record:
        if field.name not in declared:
            raise Misfit(f"{where}: unknown field `{field.name[:60]}`")
        if field.name in given:
            raise Misfit(f"{where}: field `{field.name}` comes twice")
        given[field.name] = field.value
    for name, type_ in declared.items():
        if name not in given and name not in defaults and not isinstance(type_, OptionalType):
            raise Misfit(f"{where}: field `{name}` is missing")
    return {
        name: from_message(given[name], type_, f"{where}.{name}") if name in given else defaults.get(name)
        for name, type_ in declared.items()
    }


def timestamp(ms: int) -> Timestamp:
    """The message of a point in time, given in milliseconds since the epoch."""
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def duration(ms: float) -> Duration:
    """The message of a length of time, given in milliseconds."""
    nanos = round(ms * 1_000_000)
    sign = -1 if nanos < 0 else 1
    return Duration(seconds=sign * (abs(nanos) // 10**9), nanos=sign * (abs(nanos) % 10**9))


_KINDS: Mapping[type, str] = {
    BoolType: "boolean",
    IntType: "integer",
    DecimalType: "decimal",
    EnumType: "symbol",
    IdType: "id",
    TextType: "text",
    TimeType: "time",
    DurationType: "duration",
    RecordType: "record",
}


def _from_message(message: values_pb2.Value, type_: Type, where: str) -> Value:
    kind = message.WhichOneof("kind")
    if kind is None or kind != _KINDS.get(type(type_)):
        raise Misfit(f"{where}: {f'a value of kind {kind}' if kind else 'nothing'} is no `{spelled(type_)}`")
    match type_:
        case BoolType():
            return message.boolean
        case IntType():
            return message.integer
        case DecimalType():
            return from_json(message.decimal, type_, where)
        case EnumType():
            return message.symbol
        case IdType():
            return message.id
        case TextType():
            return message.text
        case TimeType():
            return message.time.seconds * 1000 + message.time.nanos // 1_000_000
        case DurationType():
            return message.duration.seconds * 1000 + message.duration.nanos // 1_000_000
        case RecordType(_, fields):
            return tuple(from_record(message.record.fields, fields, where).values())
        case OptionalType() | BagType():
            raise TypeError(f"a {spelled(type_)} is in no message")
        case _:
            assert_never(type_)


# --- acts ------------------------------------------------------------------------------------------------------------


def act_message(shown: Shown, program: Program, language: str) -> conversations_pb2.Act:
    """The message of an act that the platform carries out."""
    sequence, act = shown
    match act.kind:
        case ActKind.DISCLOSE:
            return conversations_pb2.Act(sequence=sequence, disclose=_speech(act, program, language))
        case ActKind.SAY:
            return conversations_pb2.Act(sequence=sequence, say=_speech(act, program, language))
        case ActKind.ESCALATE:
            within = duration(program.queues[act.name].within)
            escalate = conversations_pb2.Escalate(queue=act.name, reasons=act.reasons, within=within)
            return conversations_pb2.Act(sequence=sequence, escalate=escalate)
        case ActKind.END:
            return conversations_pb2.Act(sequence=sequence, end=conversations_pb2.End(reasons=act.reasons))
        case ActKind.COLLECT:
            return conversations_pb2.Act(sequence=sequence, collect=_collect(act, program))
        case ActKind.ASK | ActKind.CALL | ActKind.TIMER | ActKind.NOTE | ActKind.EXHAUSTED:
            raise TypeError(f"`{act.kind}` stays inside")
        case _:
            assert_never(act.kind)


def turn_response(
    program: Program, snapshot: Snapshot, conversation: ConversationId, request: RequestId, acts: Iterable[Shown]
) -> bytes:
    """The answer to a request whose acts these are, as it is recorded; the conversation now stands at `snapshot`."""
    return conversations_pb2.TurnResponse(
        conversation_id=conversation,
        request_id=request,
        acts=[act_message(shown, program, snapshot.language) for shown in acts],
        open=snapshot.open,
        over=snapshot.over,
    ).SerializeToString(deterministic=True)


def _speech(act: Act, program: Program, language: str) -> conversations_pb2.Speech:
    return conversations_pb2.Speech(name=act.name, text=spoken(program, act, language), language=language)


def _collect(act: Act, program: Program) -> conversations_pb2.Collect:
    ((_, type_),) = program.events[EventKind(f"collected {act.name}")].fields
    symbols = type_.values if isinstance(type_, EnumType) else ()
    return conversations_pb2.Collect(name=act.name, type=spelled(type_), symbols=symbols)
