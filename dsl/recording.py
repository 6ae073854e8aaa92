"""Recorded events as JSON lines, and what was decided about them: the form in which a policy is replayed and accepted.

The shapes are in docs/schemas/recorded_event.json and docs/schemas/decided.json.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from charter.dsl.acts import arguments_of
from charter.dsl.lower.environment import CLOCK_MAX, CLOCK_MIN
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.names import Names
from charter.dsl.program import (
    OVER,
    TURN_OPEN,
    Act,
    Event,
    EventKind,
    Program,
    Role,
    State,
    Variable,
    escalating,
)
from charter.dsl.scenarios import Attempts, scenarios_of
from charter.dsl.semantics import Broken, attempt
from charter.dsl.session import Session, Step, answering, begin, feed
from charter.dsl.source import Source
from charter.dsl.syntax.parse import parse
from charter.dsl.syntax.tree import Test
from charter.dsl.types import Value
from charter.dsl.values import Json, Misfit, parse_time, record_from_json, to_json

FIRST = 1_767_225_600_000  # 2026-01-01T00:00:00Z: when a recording begins that does not say
PACE = 1000  # ms after the last event where one does not say when
MAX_LINE = 1_000_000

_PLAIN = ("start", "utterance", "keys", "silence", "interrupt", "hangup")
_SUBJECT = {  # the key that names what the event is about, and the kind of event
    "suggestion": ("agent", "{}"),
    "failure": ("agent", "{} fails"),
    "result": ("tool", "{}"),
    "tool_failure": ("tool", "{} fails"),
    "uncertain": ("tool", "{} uncertain"),
    "collected": ("name", "collected {}"),
    "collect_failure": ("name", "collect {} fails"),
    "escalated": ("queue", "escalated {}"),
    "escalate_failure": ("queue", "escalate {} fails"),
    "heard": ("disclosure", "heard {}"),
    "cut": ("disclosure", "cut {}"),
    "timer": ("name", "timer {}"),
    "outside": ("name", "{}"),
}
_NESTED = ("suggestion", "result", "outside")  # their fields stand under "fields"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line of a recording: an event, or an act that is only attempted."""

    kind: EventKind | None
    fields: Mapping[str, Value]
    attempted: Act | None
    at: int | None


def read_events(program: Program, names: Names, lines: Iterable[str]) -> Iterator[Recorded]:
    """The events of a recording; raises `Misfit`, naming the line, at the first that is none."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _read(program, names, line, f"line {number}")


def decide(program: Program, recorded: Iterable[Recorded]) -> Iterator[dict[str, Json]]:
    """What is decided about each recorded event, as JSON."""
    session, now = begin(program), FIRST - PACE
    for one in recorded:
        now = max(now, one.at) if one.at is not None else min(now + PACE, CLOCK_MAX)
        if one.attempted is not None:
            broken = attempt(program, session.state, one.attempted, now)
            yield {"attempted": act_json(program, one.attempted), "broken": _broken(broken)}
            continue
        assert one.kind is not None
        event = Event(one.kind, answering(program, session.state, one.kind, one.fields), now)
        waited = len(session.waiting)
        session, steps = feed(program, session, event)
        yield _decided(program, session, steps, len(session.waiting) > waited)


# --- reading ---------------------------------------------------------------------------------------------------------


def _read(program: Program, names: Names, line: str, where: str) -> Recorded:
    if len(line) > MAX_LINE:
        raise Misfit(f"{where}: longer than {MAX_LINE:,} characters")
    try:
        json_ = json.loads(line)
    except ValueError as error:
        raise Misfit(f"{where}: no JSON: {error}") from None
    if not isinstance(json_, dict) or not isinstance(json_.get("event"), str):
        raise Misfit(f'{where}: an event is an object with a text under "event"')
    rest = {key: value for key, value in json_.items() if key not in ("event", "at")}
    at = None
    if "at" in json_:
        if not isinstance(json_["at"], str):
            raise Misfit(f'{where}: "at" is an RFC 3339 time in quotes')
        at = parse_time(json_["at"], where)
        if not CLOCK_MIN <= at <= CLOCK_MAX:
            raise Misfit(f'{where}: "at" lies in the years 1970 to 8999')
    event = json_["event"]
    if event == "attempt":
        return Recorded(None, {}, _attempted(names, program, rest, where), at)
    kind, fields = _kind(program, event, rest, where)
    return Recorded(kind, _fields(program, kind, event, fields, where), None, at)


def _kind(program: Program, event: str, rest: dict[str, Json], where: str) -> tuple[EventKind, Json]:
    if event in _PLAIN:
        return EventKind(event), rest
    if event not in _SUBJECT:
        raise Misfit(f"{where}: unknown event {event!r}; there are {', '.join((*_PLAIN, *_SUBJECT, 'attempt'))}")
    key, pattern = _SUBJECT[event]
    subject = rest.pop(key, None)
    if not isinstance(subject, str):
        raise Misfit(f'{where}: {event} needs a text under "{key}"')
    kind = EventKind(pattern.format(subject))
    family = {"agent": program.agents, "tool": program.tools}.get(key)
    if kind not in program.events or (family is not None and subject not in family):
        raise Misfit(f"{where}: the policy has no {key} {subject!r} for {event}")
    if event not in _NESTED:
        return kind, rest
    fields = rest.pop("fields", {})
    if rest:
        raise Misfit(f"{where}: unknown field `{next(iter(rest))}`")
    return kind, fields


def _fields(program: Program, kind: EventKind, event: str, json_: Json, where: str) -> Mapping[str, Value]:
    """The fields; a call's arguments, a reason, and the start's channel and language may be left out."""
    if not isinstance(json_, dict):
        raise Misfit(f"{where}: fields are an object")
    declared = program.events[kind].fields
    given: dict[str, Json] = dict(json_)
    if any(name == "reason" for name, _ in declared):
        given.setdefault("reason", "error")
    if kind == "start":
        given.setdefault("channel", "voice")
        given.setdefault("language", program.languages[0])
    if event == "suggestion":
        agent = program.agents[kind]
        types = dict(agent.fields)
        for name, default in agent.defaults.items():
            given.setdefault(name, to_json(default, types[name]))
    subject = kind.split(" ")[0]
    args = dict(program.tools[subject].args) if subject in program.tools else {}
    needed = [(name, type_) for name, type_ in declared if name in given or name not in args]
    return record_from_json(given, needed, where)


def _attempted(names: Names, program: Program, rest: dict[str, Json], where: str) -> Act:
    written = rest.pop("act", None)
    if not isinstance(written, str) or rest:
        raise Misfit(f'{where}: an attempt has an act, as a policy spells it, under "act" and nothing else')
    parsed = parse(Source(where, f'test "attempt"\n  attempt {written}\n'))
    findings = Findings()
    for diagnostic in parsed.diagnostics:
        findings.add(diagnostic)
    tests = [clause for clause in parsed.document.clauses if isinstance(clause, Test)]
    moves = scenarios_of(names, program, findings, tests)[0].moves if tests else ()
    if findings.failed or len(moves) != 1 or not isinstance(moves[0], Attempts):
        why = findings.all[0].message if findings.all else "one act is wanted"
        raise Misfit(f"{where}: {written!r} is no act: {why}")
    return moves[0].act


# --- writing ---------------------------------------------------------------------------------------------------------


def _decided(program: Program, session: Session, steps: tuple[Step, ...], waits: bool) -> dict[str, Json]:
    own = next((step for step in steps if not step.implied), None)
    line = step_json(program, own) if own else {"acts": [], "fired": [], "broken": []}
    if waits:
        line["waits"] = True
    line["implied"] = [
        {"event": event_json(program, step.event), **step_json(program, step)} for step in steps if step.implied
    ]
    line["state"] = state_json(program, session.state)
    return line


def step_json(program: Program, step: Step) -> dict[str, Json]:
    """One step: its acts, the rules that fired, what would have been broken, and why it was dropped if it was."""
    outcome = step.outcome
    found: dict[str, Json] = {
        "acts": [act_json(program, act) for act in outcome.acts],
        "fired": [_rule(program, rule) for rule in outcome.fired],
        "broken": _broken(outcome.broken),
    }
    if outcome.dropped:
        found["dropped"] = outcome.dropped
    return found


def act_json(program: Program, act: Act) -> dict[str, Json]:
    """An act with its arguments and reasons."""
    found: dict[str, Json] = {"act": str(act.kind), "name": act.name}
    types = dict(arguments_of(program, act))
    if act.args:
        found["args"] = {name: to_json(value, types[name]) for name, value in act.args}
    if act.reasons:
        found["reasons"] = list(act.reasons)
    return found


def event_json(program: Program, event: Event) -> dict[str, Json]:
    """An event as its kind, spelled as in a policy, and its fields."""
    types = dict(program.events[event.kind].fields)
    return {"kind": event.kind, "fields": {name: to_json(value, types[name]) for name, value in event.fields.items()}}


def state_json(program: Program, state: State) -> dict[str, Json]:
    """The facts, what the agents suggested in this turn, and where the conversation stands."""
    shown = {Role.FACT: "facts", Role.SUGGESTION: "suggestions"}
    found: dict[str, Json] = {}
    for role, key in shown.items():
        found[key] = {
            name: to_json(state[name], info.type) for name, info in program.variables.items() if info.role is role
        }
    pending = [name for name in program.agents if state[Variable(f"pending {name}")]]
    pending += [name for name in program.tools if state[Variable(f"calls {name}")]]
    pending += [name for name in program.queues if state[escalating(name)]]
    return {**found, "pending": list(pending), "turn_open": bool(state[TURN_OPEN]), "over": bool(state[OVER])}


def _rule(program: Program, rule: str) -> Json:
    span = program.rules[rule].span
    return {"rule": rule, "file": span.path, "line": span.line}


def _broken(broken: Iterable[Broken]) -> list[Json]:
    return [{"requirement": b.requirement, "detail": b.detail} for b in broken]
