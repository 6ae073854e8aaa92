"""A counterexample as people read it: who says or suggests what, which rules fired, what was done, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from charter.dsl.acts import spelled_act, spoken
from charter.dsl.program import LANGUAGE, Act, ActKind, Event, Program, State
from charter.dsl.semantics import Outcome, step
from charter.dsl.source import Span
from charter.dsl.tokens import quoted
from charter.dsl.types import (
    IdType,
    OptionalType,
    RecordType,
    TextType,
    TimeType,
    Type,
    Value,
)
from charter.dsl.values import spell, time_text


@dataclass(frozen=True, slots=True)
class Line:
    """One event of a transcript. `acts` are what the rules wanted, in leaving order, with the words that are spoken."""

    said: str
    rules: tuple[tuple[str, Span], ...]
    overridden: tuple[str, ...]
    acts: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """A conversation up to what breaks, and a sentence that says where and why."""

    lines: tuple[Line, ...]
    why: str


def transcript(program: Program, events: tuple[Event, ...], outcomes: tuple[Outcome, ...], goal: str) -> Transcript:
    """The transcript of a conversation whose last event breaks the goal."""
    lines: list[Line] = []
    state: State = program.initial
    for event, outcome in zip(events, outcomes, strict=True):
        acts = outcome.acts if not outcome.broken else _wanted(program, state, event)
        language = str(outcome.state[LANGUAGE] or program.languages[0])
        rules = tuple((rule, program.rules[rule].span) for rule in outcome.fired)
        done = tuple((spelled_act(program, act), _words(program, act, language)) for act in acts)
        lines.append(Line(said(program, event), rules, outcome.overridden, done))
        state = outcome.state
    return Transcript(tuple(lines), _why(program, outcomes[-1], goal, len(events)))


def said(program: Program, event: Event) -> str:
    """What happens, as a sentence."""
    kind, fields = str(event.kind), dict(event.fields)
    types = dict(program.events[event.kind].fields)
    first, _, rest = kind.partition(" ")
    if first in program.tools:
        return _answered(program, first, rest, fields, types)
    values = _listed(fields, types)
    match first, rest:
        case "start", "":
            return f"the conversation starts: {values}"
        case "utterance", "":
            return f"the customer says {literal(fields['text'], types['text'])}" + _more(fields, types, "text")
        case "keys", "":
            return f"the customer presses {literal(fields['digits'], types['digits'])}" + _more(fields, types, "digits")
        case (("silence" | "interrupt" | "hangup"), ""):
            verb = {"silence": "is silent", "interrupt": "interrupts", "hangup": "hangs up"}[first]
            return f"the customer {verb}" + (f": {values}" if values else "")
        case "timer", name:
            return f"the timer {name} runs out"
        case (("heard" | "cut"), name):
            return f"{name} was {'heard to its end' if first == 'heard' else 'cut off'}"
        case "collected", name:
            return f"the customer gives {name}: {literal(fields['value'], types['value'])}"
        case "escalated", queue:
            return f"somebody in {queue} takes over"
        case (("collect" | "escalate"), _):
            return f"{first} {rest} ({fields['reason']})"
    if first in program.agents:
        return f"{first} suggests {values or 'nothing'}" if not rest else f"{kind} ({fields['reason']})"
    return f"{kind} happens" + (f": {values}" if values else "")


def literal(value: Value, type_: Type) -> str:
    """The value as a policy writes it: what `spell` says, with texts and ids in quotes."""
    if value is None:
        return "unknown"
    match type_:
        case OptionalType(of):
            return literal(value, of)
        case IdType() | TextType():
            return quoted(str(value))
        case RecordType(name, fields) if isinstance(value, tuple):
            parts = (f"{n}: {literal(v, t)}" for v, (n, t) in zip(value, fields, strict=True))
            return f"{name}({', '.join(parts)})"
        case TimeType() if isinstance(value, int):
            return time_text(value)
        case _:
            return spell(value, type_)


def _answered(program: Program, tool: str, how: str, fields: Mapping[str, Value], types: Mapping[str, Type]) -> str:
    args = {name: fields[name] for name, _ in program.tools[tool].args}
    call = f"{tool}({_listed(args, types)})"
    if how:
        return f"{call} {how}" + (f" ({fields['reason']})" if "reason" in fields else "")
    results = {name: value for name, value in fields.items() if name not in args}
    return f"{call} returns {_listed(results, types) or 'nothing'}"


def _listed(fields: Mapping[str, Value], types: Mapping[str, Type]) -> str:
    return ", ".join(f"{name}: {literal(value, types[name])}" for name, value in fields.items())


def _more(fields: Mapping[str, Value], types: Mapping[str, Type], without: str) -> str:
    rest = {name: value for name, value in fields.items() if name != without}
    return f" ({_listed(rest, types)})" if rest else ""


def _words(program: Program, act: Act, language: str) -> str | None:
    return spoken(program, act, language) if act.kind in (ActKind.SAY, ActKind.DISCLOSE) else None


def _wanted(program: Program, state: State, event: Event) -> tuple[Act, ...]:
    """What the rules wanted to do where a requirement stopped them; nothing where they contradict themselves."""
    unjudged = step(replace(program, requirements=()), state, event)
    return () if unjudged.broken else unjudged.acts


def _why(program: Program, last: Outcome, goal: str, number: int) -> str:
    broken = next(b for b in last.broken if b.requirement == goal)
    requirement = next((r for r in program.requirements if r.name == goal), None)
    if requirement is None:
        return f"with event {number}, {broken.detail}"
    return f"with event {number}, {broken.detail}, {goal} is broken: {requirement.text}"
