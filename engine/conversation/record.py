"""The audit record of one event: what it was, which rules fired on which facts, what they overrode, what was done.

What may tell who the customer is or what they said (every text and id, and every reason that carries a value) goes
into the personal part, by its path in the body; the public part has nothing in its place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from charter.dsl.acts import arguments_of
from charter.dsl.program import FORMAT, Act, ActKind, Const, Event, EventKind, Expr, Program, RuleInfo, Text
from charter.dsl.semantics import Outcome
from charter.dsl.types import BagType, IdType, OptionalType, RecordType, TextType, Type, Value
from charter.dsl.values import Misfit, from_json, to_json
from charter.engine.conversation.asks import Attempt, Failed, Suggested
from charter.engine.conversation.calls import Called
from charter.engine.conversation.facts_read import Fact, facts_read
from charter.engine.decide import Decision, Incident
from charter.engine.store import Json, NewRecord, Record, RequestId

_Body: TypeAlias = dict[str, Json]


class Decided(NamedTuple):
    """One event and what came of it."""

    request: RequestId | None
    event: Event
    decision: Decision
    answer: Suggested | Failed | Called | None = None  # of the agent or tool, where the event is one


@dataclass(frozen=True, slots=True)
class Recorded:
    """What records say of a clause that fires."""

    rule: _Body
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Recorder:
    """A program, and what its records need of it at hand."""

    program: Program
    clauses: Mapping[tuple[EventKind, str], Recorded]
    constant_reasons: frozenset[str]  # those without slots: they say nothing about the customer


def recorder(program: Program) -> Recorder:
    """What writes records of conversations under a program."""
    clauses = {
        (kind, clause.rule): clause
        for kind, strata in program.strata.items()
        for stratum in strata
        for clause in stratum
    }
    reasons = (site.reason for clause in clauses.values() for site in clause.acts)
    constant = {_constant_text(reason) for reason in reasons if reason is not None}
    recorded = {
        place: Recorded(_rule(program.rules[clause.rule]), facts_read(program, clause))
        for place, clause in clauses.items()
    }
    return Recorder(program, recorded, frozenset(reason for reason in constant if reason is not None) | {"safe stop"})


def record_of(recorder: Recorder, decided: Decided) -> NewRecord:
    """The record of an event."""
    program, event, outcome = recorder.program, decided.event, decided.decision.outcome
    personal: _Body = {}
    attempts = decided.answer.attempts if decided.answer else ()
    body: _Body = {
        "format": FORMAT,
        "policy": {"name": program.name, "digest": program.digest},
        "event": {
            "kind": event.kind,
            "fields": _named(event.fields, program.events[event.kind].fields, "event/fields", personal),
        },
        "dropped": outcome.dropped,
        "incident": _incident(decided.decision.incident, personal),
        "fired": [
            _fired(recorder.clauses[event.kind, rule], outcome, f"fired/{place}", personal)
            for place, rule in enumerate(outcome.fired)
        ],
        "overridden": [_rule(program.rules[rule]) for rule in outcome.overridden],
        "acts": [_act(recorder, act, f"acts/{place}", personal) for place, act in enumerate(outcome.acts)],
        "kernel_us": round(decided.decision.kernel_seconds * 1e6),
        "semantics_us": round(decided.decision.semantics_seconds * 1e6),
        "attempts": [_attempt(one, f"attempts/{place}", personal) for place, one in enumerate(attempts)],
    }
    return NewRecord(at=event.now, public=body, request_id=decided.request, personal=personal)


def whole(record: Record) -> dict[str, Any]:
    """The body of a record with its personal values in their places; those that were erased are missing."""
    body = _copied(record.public)
    for path, value in record.personal.items():
        *way, last = path.split("/")
        place = body
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[int(last) if isinstance(place, list) else last] = _copied(value)
    if not isinstance(body, dict):
        raise TypeError("the body of a record is an object")
    return body


def event_in(program: Program, record: Record) -> Event:
    """The event that a record is about; raises `Misfit` where a value of it was erased."""
    body = whole(record)["event"]
    if any(path.startswith("event/") for path in record.erased):
        raise Misfit(f"record {record.sequence}: the event was erased")
    kind = EventKind(body["kind"])
    given = body["fields"]
    fields = {n: from_json(given.get(n), t, f"record {record.sequence}") for n, t in program.events[kind].fields}
    return Event(kind, fields, record.at)


def acts_in(program: Program, record: Record) -> tuple[Act, ...]:
    """The acts that a record says were done; raises `Misfit` where a value of them was erased."""
    if any(path.startswith("acts/") for path in record.erased):
        raise Misfit(f"record {record.sequence}: the acts were erased")
    return tuple(_act_from(program, act, f"record {record.sequence}") for act in whole(record)["acts"])


# --- the body, whose personal values are put aside by their paths ----------------------------------------------------


def _copied(value: Json) -> Any:
    match value:
        case Mapping():
            return {name: _copied(part) for name, part in value.items()}
        case str() | None:
            return value
        case bool() | int() | float():
            return value
        case _:
            return [_copied(part) for part in value]


def _named(values: Mapping[str, Value], types: Iterable[tuple[str, Type]], path: str, personal: _Body) -> _Body:
    return {name: _value(values[name], type_, path, name, personal) for name, type_ in types}


def _value(value: Value, type_: Type, path: str, name: str, personal: _Body) -> Json:
    json: Json = to_json(value, type_)
    if value is None or not _tells(type_):
        return json
    personal[f"{path}/{name}"] = json
    return None


def _tells(type_: Type) -> bool:
    """Whether values of the type may be personal."""
    match type_:
        case TextType() | IdType():
            return True
        case OptionalType(of) | BagType(of):
            return _tells(of)
        case RecordType(_, fields):
            return any(_tells(of) for _, of in fields)
        case _:
            return False


def _rule(rule: RuleInfo) -> _Body:
    return {"rule": rule.name, "file": rule.span.path, "line": rule.span.line}


def _fired(clause: Recorded, outcome: Outcome, path: str, personal: _Body) -> _Body:
    path = f"{path}/facts"
    facts = {fact.name: _value(fact.seen(outcome), fact.type, path, fact.name, personal) for fact in clause.facts}
    return {**clause.rule, "facts": facts}


def _act(recorder: Recorder, act: Act, path: str, personal: _Body) -> _Body:
    known = recorder.constant_reasons
    for place, reason in enumerate(act.reasons):
        if reason not in known:
            personal[f"{path}/reasons/{place}"] = reason
    reasons = [reason if reason in known else None for reason in act.reasons]
    types = arguments_of(recorder.program, act) if act.args else ()
    args = _named(dict(act.args), types, f"{path}/args", personal)
    return {"kind": act.kind.value, "name": act.name, "args": args, "reasons": reasons}


def _constant_text(reason: Expr) -> str | None:
    match reason:
        case Const(str() as text):
            return text
        case Text(parts) if all(isinstance(part, str) for part in parts):
            return "".join(part for part in parts if isinstance(part, str))
        case _:
            return None


def _incident(incident: Incident | None, personal: _Body) -> Json:
    if incident is None:
        return None
    personal |= {f"incident/details/{i}": detail for i, detail in enumerate(incident.details)}
    return {"kind": incident.kind.value, "details": [None] * len(incident.details)}


def _attempt(attempt: Attempt, path: str, personal: _Body) -> _Body:
    if attempt.detail:  # may repeat what the agent said
        personal[f"{path}/detail"] = attempt.detail
    return {
        "agent": attempt.agent,
        "failed": None if attempt.failed is None else attempt.failed.value,
        "detail": None,
        "took_ms": round(attempt.took_ms, 3),
    }


def _act_from(program: Program, body: Mapping[str, Any], where: str) -> Act:
    act = Act(ActKind(body["kind"]), body["name"], reasons=tuple(body["reasons"]))
    given = body["args"]
    return replace(act, args=tuple((n, from_json(given.get(n), t, where)) for n, t in arguments_of(program, act)))
