"""The recorded decisions of a conversation, for people and as messages."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from charter.dsl.acts import arguments_of, spelled_act
from charter.dsl.program import Act, ActKind, EventKind, Program, Variable
from charter.dsl.types import Type, Value
from charter.dsl.values import from_json
from charter.engine.messages import duration, timestamp, to_message
from charter.engine.record import whole
from charter.engine.store import Record
from charter.v1 import conversations_pb2, values_pb2


def decision_message(program: Program, record: Record) -> conversations_pb2.Decision:
    """What one event led to, and why. A value that was erased is unknown in it."""
    body = whole(record)
    event = body["event"]
    attempts = body["attempts"]
    message = conversations_pb2.Decision(
        sequence=record.sequence,
        request_id=record.request_id or "",
        at=timestamp(record.at),
        event=event["kind"],
        fields=_fields(event["fields"], program.events[EventKind(event["kind"])].fields),
        dropped=body["dropped"] or "",
        fired=[_fired(program, rule) for rule in body["fired"]],
        acts=[_spelled(program, act) for act in body["acts"]],
        deciding=duration((body["kernel_us"] + body["semantics_us"]) / 1000),
        overridden=[
            conversations_pb2.FiredRule(rule=rule["rule"], file=rule["file"], line=rule["line"])
            for rule in body["overridden"]
        ],
        attempts=[
            conversations_pb2.Attempt(
                name=attempt["agent"],
                failed=attempt["failed"] or "",
                detail=attempt["detail"] or "",
                took=duration(attempt["took_ms"]),
            )
            for attempt in attempts
        ],
    )
    if attempts:
        message.answering.CopyFrom(duration(sum(attempt["took_ms"] for attempt in attempts)))
    if body["incident"]:
        reasons = [body["incident"]["kind"], *body["incident"]["details"]]
        message.incident.CopyFrom(conversations_pb2.Incident(reasons=[reason or "(erased)" for reason in reasons]))
    return message


def _spelled(program: Program, body: Mapping[str, Any]) -> str:
    act, given = Act(ActKind(body["kind"]), body["name"]), body["args"]
    args = tuple((name, _value(given.get(name), type_)) for name, type_ in arguments_of(program, act))
    return spelled_act(program, replace(act, args=args))


def _fired(program: Program, rule: Mapping[str, Any]) -> conversations_pb2.FiredRule:
    names = {name: Variable(name.removeprefix("was ")) for name in rule["facts"]}
    types = [(name, program.variables[variable].type) for name, variable in names.items()]
    facts = _fields(rule["facts"], types)
    return conversations_pb2.FiredRule(rule=rule["rule"], file=rule["file"], line=rule["line"], facts=facts)


def _fields(values: Mapping[str, Any], types: Iterable[tuple[str, Type]]) -> list[values_pb2.Field]:
    return [
        values_pb2.Field(name=name, value=to_message(_value(values.get(name), type_), type_)) for name, type_ in types
    ]


def _value(json: Any, type_: Type) -> Value:
    return None if json is None else from_json(json, type_, "record")
