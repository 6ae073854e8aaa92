"""The recorded decisions of a conversation, for people and as messages."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, assert_never

from charter.dsl.acts import arguments_of, spelled_act
from charter.dsl.program import (
    Act,
    ActKind,
    Arrival,
    Changed,
    Clause,
    Closing,
    EventKind,
    Finished,
    Leaving,
    Moment,
    Program,
    Settled,
    Variable,
)
from charter.dsl.types import Type, Value
from charter.dsl.values import from_json
from charter.engine.conversation.messages import duration, timestamp, to_message
from charter.engine.conversation.record import whole
from charter.engine.store import Record
from charter.v1 import conversations_pb2, values_pb2


def decision_message(program: Program, record: Record) -> conversations_pb2.Decision:
    """What one event led to, and why. A value that was erased is unknown in it."""
    body = whole(record)
    event = body["event"]
    attempts = body["attempts"]
    clauses = {one.rule: one for stratum in program.strata.get(EventKind(event["kind"]), ()) for one in stratum}
    acts = [] if body["incident"] else [(act["kind"], act["name"], _spelled(program, act)) for act in body["acts"]]
    message = conversations_pb2.Decision(
        sequence=record.sequence,
        request_id=record.request_id or "",
        at=timestamp(record.at),
        event=event["kind"],
        fields=_fields(event["fields"], program.events[EventKind(event["kind"])].fields),
        dropped=body["dropped"] or "",
        fired=[_fired(program, rule, clauses[rule["rule"]], acts) for rule in body["fired"]],
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
        monitors=() if body["dropped"] else _monitors(program, body, [clauses[one["rule"]] for one in body["fired"]]),
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


def _fired(
    program: Program, rule: Mapping[str, Any], clause: Clause, acts: Iterable[tuple[str, str, str]]
) -> conversations_pb2.FiredRule:
    names = {name: Variable(name.removeprefix("was ")) for name in rule["facts"]}
    types = [(name, program.variables[variable].type) for name, variable in names.items()]
    asked = {(site.kind, site.name) for site in clause.acts}
    return conversations_pb2.FiredRule(
        rule=rule["rule"],
        file=rule["file"],
        line=rule["line"],
        facts=_fields(rule["facts"], types),
        acts=[spelled for kind, name, spelled in acts if (kind, name) in asked],
    )


def _monitors(
    program: Program, body: Mapping[str, Any], fired: Iterable[Clause]
) -> Iterator[conversations_pb2.Monitor]:
    """The policy's own requirements that look at the event, at what rules set, or at what was done."""
    details = body["incident"]["details"] if body["incident"] else ()
    broken = {(detail or "").partition(":")[0] for detail in details}
    kind, written = body["event"]["kind"], {write.variable for clause in fired for write in clause.writes}
    acts = {(act["kind"], act["name"]) for act in body["acts"]}

    def looks(moment: Moment) -> bool:
        match moment:
            case Arrival(kinds):
                return kind in kinds
            case Changed(variable):
                return variable in written
            case Leaving(act, names):
                return any((act, name) in acts for name in names)
            case Settled() | Finished() | Closing():
                return False
            case _:
                assert_never(moment)

    for one in program.requirements:
        if one.span and (one.name in broken or any(looks(watch.moment) for watch in one.watches)):
            yield conversations_pb2.Monitor(
                requirement=one.name,
                text=one.text,
                cites=one.cites or "",
                file=one.span.path,
                line=one.span.line,
                broken=one.name in broken,
            )


def _fields(values: Mapping[str, Any], types: Iterable[tuple[str, Type]]) -> list[values_pb2.Field]:
    return [
        values_pb2.Field(name=name, value=to_message(_value(values.get(name), type_), type_)) for name, type_ in types
    ]


def _value(json: Any, type_: Type) -> Value:
    return None if json is None else from_json(json, type_, "record")
