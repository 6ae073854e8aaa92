"""A counterexample as people read it: who says or suggests what, which rules fired, what was done, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from charter.dsl.acts import arguments_of, spoken
from charter.dsl.lower.stratify import reads_in
from charter.dsl.program import LANGUAGE, Act, ActKind, Event, Program, Role, State
from charter.dsl.scenarios import EPOCH, PACE
from charter.dsl.semantics import Outcome, step
from charter.dsl.source import Span
from charter.dsl.syntax import tree as s
from charter.dsl.syntax.tokens import quoted
from charter.dsl.types import (
    DURATION,
    IdType,
    OptionalType,
    RecordType,
    TextType,
    TimeType,
    Type,
    Value,
)
from charter.dsl.values import spell, time_text
from charter.verification.show.reasons import reason

ANYTHING = "…"  # what a counterexample has where any text or id will do


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that fired, and which of the acts it wanted, without their arguments."""

    rule: str
    span: Span
    acts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One event of a transcript. `acts` are what the rules wanted, in leaving order, with the words that are spoken.

    `clock` says when it comes, where that is not a second after the event before it.
    """

    clock: str | None
    said: str
    rules: tuple[Fired, ...]
    overridden: tuple[str, ...]
    acts: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """A conversation up to what breaks, and a sentence that says where and why."""

    lines: tuple[Line, ...]
    why: str


def transcript(
    program: Program, events: tuple[Event, ...], outcomes: tuple[Outcome, ...], goal: str, form: s.Form | None = None
) -> Transcript:
    """The transcript of a conversation whose last event breaks the goal. `form`: as the policy writes the goal."""
    lines: list[Line] = []
    state: State = program.initial
    expected = EPOCH
    for event, outcome in zip(events, outcomes, strict=True):
        wanted = outcome if not outcome.broken else _wanted(program, state, event)
        acts = () if wanted.broken else wanted.acts  # rules that contradict themselves want nothing
        language = str(outcome.state[LANGUAGE] or program.languages[0])
        rules = tuple(Fired(rule, program.rules[rule].span, _by(program, event, rule, acts)) for rule in outcome.fired)
        done = tuple((_done(program, act), _words(program, act, language)) for act in acts)
        lines.append(Line(_clock(event.now, expected), said(program, event), rules, outcome.overridden, done))
        state, expected = outcome.state, event.now + PACE
    moment = next(broken.detail for broken in outcomes[-1].broken if broken.requirement == goal)
    facts = _facts(program, goal, wanted.state)
    return Transcript(tuple(lines), reason(program, goal, form, moment, facts, len(events)))


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
            return f"the customer says {_something(fields['text'])}" + _more(fields, types, "text")
        case "keys", "":
            return f"the customer presses {_something(fields['digits'])}" + _more(fields, types, "digits")
        case (("silence" | "interrupt" | "hangup"), ""):
            verb = {"silence": "is silent", "interrupt": "interrupts", "hangup": "hangs up"}[first]
            return f"the customer {verb}" + (f": {values}" if values else "")
        case "timer", name:
            return f"the timer {name} runs out"
        case (("heard" | "cut"), name):
            return f"{name} was {'heard to its end' if first == 'heard' else 'cut off'}"
        case "collected", name:
            return f"the customer gives {name}: {literal(fields['value'], types['value'])}"
        case "collect", failed:
            return f"the customer does not give {failed.removesuffix(' fails')} ({fields['reason']})"
        case "escalated", queue:
            return f"somebody in {queue} takes over"
        case "escalate", failed:
            return f"the transfer to {failed.removesuffix(' fails')} fails ({fields['reason']})"
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


def _by(program: Program, event: Event, rule: str, acts: tuple[Act, ...]) -> tuple[str, ...]:
    """The acts that a rule has a part in."""
    clauses = [c for stratum in program.strata[event.kind] for c in stratum if c.rule == rule]
    sites = {(site.kind, site.name) for clause in clauses for site in clause.acts}
    return tuple(f"{act.kind} {act.name}".strip() for act in acts if (act.kind, act.name) in sites)


def _something(value: Value) -> str:
    return "something" if value == ANYTHING else quoted(str(value))


def _clock(now: int, expected: int) -> str | None:
    """When an event comes, where it is not expected then."""
    if now == expected:
        return None
    if expected == EPOCH:
        return f"at {time_text(now)}"
    since = now - expected + PACE
    return f"{_lasting(since)} later" if since else "at once"


def _lasting(duration: int) -> str:
    """A duration for people, to the millisecond: `10 min 1 ms`."""
    parts = []
    for unit, each in (("days", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)):
        count, duration = divmod(duration, each)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts)


def _done(program: Program, act: Act) -> str:
    """An act as the policy writes it, with its reasons."""
    if act.kind is ActKind.EXHAUSTED:
        how = "call" if act.name in program.tools else "ask"
        return f"{how} {act.name} does not leave: it was used up to its bound in this turn"
    values = dict(act.args)
    match act.kind:
        case ActKind.NOTE:
            return f"note {quoted(str(values['text']))}"
        case ActKind.TIMER:
            return f"start timer {act.name} for {spell(values['duration'], DURATION)}"
    types = dict(arguments_of(program, act))
    args = ", ".join(f"{name}: {literal(value, types[name])}" for name, value in act.args)
    because = f" because {quoted('; '.join(act.reasons))}" if act.reasons else ""
    return f"{act.kind} {act.name}".strip() + (f"({args})" if args else "") + because


def _words(program: Program, act: Act, language: str) -> str | None:
    return spoken(program, act, language) if act.kind in (ActKind.SAY, ActKind.DISCLOSE) else None


def _wanted(program: Program, state: State, event: Event) -> Outcome:
    """What the rules wanted to do where a requirement stopped them."""
    return step(replace(program, requirements=()), state, event)


def _facts(program: Program, goal: str, state: State) -> str:
    """What the facts and suggestions are that a requirement reads."""
    requirement = next((each for each in program.requirements if each.name == goal), None)
    watches = () if requirement is None else requirement.watches
    reads = [read for w in watches for e in (w.when, w.broken, *(v for _, v in w.updates)) for read in reads_in(e)]
    known = {read.variable: program.variables[read.variable] for read in reads}
    return ", ".join(
        f"`{name}` is {literal(state[name], info.type)}"
        for name, info in known.items()
        if info.role in (Role.FACT, Role.SUGGESTION)
    )
