"""The audit record of one event: what it was, which rules fired on which facts, what they overrode, what was done.

What may tell who the customer is or what they said (every text and id, and every reason that carries a value) goes
into the personal part, by its path in the body; the public part has nothing in its place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from charter.dsl.acts import arguments_of
from charter.dsl.program import FORMAT, Act, ActKind, Clause, Const, Event, EventKind, Expr, Program, RuleInfo, Text
from charter.dsl.semantics import Outcome
from charter.dsl.types import BagType, IdType, OptionalType, RecordType, TextType, Type, Value
from charter.dsl.values import Misfit, from_json, to_json
from charter.engine.asks import Failed, Suggested
from charter.engine.calls import Called
from charter.engine.decide import Decision, Incident
from charter.engine.facts_read import facts_read
from charter.engine.store import Json, NewRecord, Record, RequestId


@dataclass(frozen=True, slots=True)
class Decided:
    """One event and what came of it."""

    request: RequestId | None
    event: Event
    decision: Decision
    answer: Suggested | Failed | Called | None = None  # of the agent or tool, where the event is one


@dataclass(frozen=True, slots=True)
class Recorder:
    """A program, and what its records need of it at hand."""

    program: Program
    clauses: Mapping[tuple[EventKind, str], Clause]
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
    return Recorder(program, clauses, frozenset(reason for reason in constant if reason is not None) | {"safe stop"})


def record_of(recorder: Recorder, decided: Decided) -> NewRecord:
    """The record of an event."""
    program, event, outcome = recorder.program, decided.event, decided.decision.outcome
    body: dict[str, _Tree] = {
        "format": FORMAT,
        "policy": {"name": program.name, "digest": program.digest},
        "event": {"kind": event.kind, "fields": _named(event.fields, program.events[event.kind].fields)},
        "dropped": outcome.dropped,
        "incident": _incident(decided.decision.incident),
        "fired": [_fired(program, recorder.clauses[event.kind, rule], outcome) for rule in outcome.fired],
        "overridden": [_rule(program.rules[rule]) for rule in outcome.overridden],
        "acts": [_act(recorder, act) for act in outcome.acts],
        "kernel_us": round(decided.decision.kernel_seconds * 1e6),
        "semantics_us": round(decided.decision.semantics_seconds * 1e6),
        "attempts": _attempts(decided.answer),
    }
    public, personal = _parted(body)
    return NewRecord(at=event.now, public=public, request_id=decided.request, personal=personal)


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


# --- the body, as a tree in which personal values are marked ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Personal:
    value: Json


_PLAIN = (str, bool, int, float)
_Tree: TypeAlias = "bool | int | float | str | list[_Tree] | dict[str, _Tree] | _Personal | None"


def _parted(body: _Tree) -> tuple[Json, dict[str, Json]]:
    personal: dict[str, Json] = {}
    return _public(body, "", personal), personal


def _public(tree: _Tree, path: str, personal: dict[str, Json]) -> Json:
    """The tree without its personal values, which are now in `personal` by their paths."""
    if isinstance(tree, dict):
        return {
            name: part if isinstance(part, _PLAIN) else _public(part, f"{path}/{name}" if path else name, personal)
            for name, part in tree.items()
        }
    if isinstance(tree, list):
        return [
            part if isinstance(part, _PLAIN) else _public(part, f"{path}/{i}", personal) for i, part in enumerate(tree)
        ]
    if isinstance(tree, _Personal):
        personal[path] = tree.value
        return None
    return tree


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


def _named(values: Mapping[str, Value], types: Iterable[tuple[str, Type]]) -> dict[str, _Tree]:
    return {name: _value(values[name], type_) for name, type_ in types}


def _value(value: Value, type_: Type) -> _Tree:
    json = to_json(value, type_)
    return _Personal(json) if value is not None and _tells(type_) else json  # type: ignore[return-value]  # list[Json]


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


def _rule(rule: RuleInfo) -> dict[str, _Tree]:
    return {"rule": rule.name, "file": rule.span.path, "line": rule.span.line}


def _fired(program: Program, clause: Clause, outcome: Outcome) -> dict[str, _Tree]:
    facts = facts_read(program, clause, outcome)
    shown: dict[str, _Tree] = {name: _value(value, type_) for name, (value, type_) in facts.items()}
    return _rule(program.rules[clause.rule]) | {"facts": shown}


def _act(recorder: Recorder, act: Act) -> dict[str, _Tree]:
    known = recorder.constant_reasons
    return {
        "kind": act.kind.value,
        "name": act.name,
        "args": _named(dict(act.args), arguments_of(recorder.program, act)),
        "reasons": [reason if reason in known else _Personal(reason) for reason in act.reasons],
    }


def _constant_text(reason: Expr) -> str | None:
    match reason:
        case Const(str() as text):
            return text
        case Text(parts) if all(isinstance(part, str) for part in parts):
            return "".join(part for part in parts if isinstance(part, str))
        case _:
            return None


def _incident(incident: Incident | None) -> _Tree:
    if incident is None:
        return None
    return {"kind": incident.kind.value, "details": [_Personal(detail) for detail in incident.details]}


def _attempts(answer: Suggested | Failed | Called | None) -> list[_Tree]:
    return [
        {
            "agent": attempt.agent,
            "failed": None if attempt.failed is None else attempt.failed.value,
            "detail": _Personal(attempt.detail) if attempt.detail else None,  # may repeat what the agent said
            "took_ms": round(attempt.took_ms, 3),
        }
        for attempt in (answer.attempts if answer else ())
    ]


def _act_from(program: Program, body: Mapping[str, Any], where: str) -> Act:
    act = Act(ActKind(body["kind"]), body["name"], reasons=tuple(body["reasons"]))
    given = body["args"]
    return replace(act, args=tuple((n, from_json(given.get(n), t, where)) for n, t in arguments_of(program, act)))
