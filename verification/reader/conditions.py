"""Conditions as a reader of a finished conversation understands them: from the written text, with exact fractions.

It shares nothing with the checker, the lowering or the semantics; what they make of a condition is tested against it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import TypeAlias, assert_never

from charter.dsl.syntax import tree as s

Plain: TypeAlias = bool | Fraction | str | Mapping[str, "Plain"] | None
"""A value: numbers exact, times and durations in milliseconds, records by field, unknown as None."""

_UNITS = {"ms": 1, "s": 1_000, "min": 60_000, "minute": 60_000, "h": 3_600_000, "hour": 3_600_000, "day": 86_400_000}


@dataclass(frozen=True, slots=True)
class SeenAct:
    """An act that left."""

    kind: str
    name: str
    fields: Mapping[str, Plain]


@dataclass(frozen=True, slots=True)
class SeenStep:
    """One step as it was recorded.

    `before` and `after` are the facts that the rules read as old and those at the end. `opened`: a new turn began with
    it; `closed`: the turn closed with it; `stopped`: the safe stop took its place.
    """

    event: str
    fields: Mapping[str, Plain]
    now: Fraction
    before: Mapping[str, Plain]
    after: Mapping[str, Plain]
    acts: tuple[SeenAct, ...]
    opened: bool
    closed: bool
    stopped: bool


@dataclass(frozen=True, slots=True)
class Words:
    """What the names in a policy stand for, and its facts before the conversation."""

    initial: Mapping[str, Plain]
    defines: Mapping[str, s.Define] = field(default_factory=dict)
    agents: frozenset[str] = frozenset()
    tools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the arguments of each
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outside: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class View:
    """A place in a conversation: the step, or -1 before the first, and the fields of what is looked at."""

    words: Words
    trace: Sequence[SeenStep]
    at: int
    its: Mapping[str, Plain] = field(default_factory=dict)
    local: Mapping[str, Plain] = field(default_factory=dict)

    @property
    def after(self) -> Mapping[str, Plain]:
        """The final facts."""
        return self.trace[self.at].after if self.at >= 0 else self.words.initial

    @property
    def before(self) -> Mapping[str, Plain]:
        """The old facts."""
        return self.trace[self.at].before if self.at >= 0 else self.words.initial

    @property
    def now(self) -> Fraction:
        """When it happens."""
        return self.trace[self.at].now if self.at >= 0 else Fraction(0)


def holds(condition: s.Expr, view: View) -> bool:
    """Whether a condition holds there."""
    return value(condition, view) is True


def value(expr: s.Expr, view: View) -> Plain:
    """The value of an expression there."""
    match expr:
        case s.Number(text):
            return Fraction(text)
        case s.Duration(number, unit):
            return Fraction(number) * _UNITS[unit if unit in _UNITS else unit.removesuffix("s")]
        case s.Time(text):
            return _time(text)
        case s.String():
            return expr.text
        case s.Boolean(truth):
            return truth
        case s.Unknown():
            return None
        case s.Ref(name):
            return _named(name, view)
        case s.Its(name):
            return view.now if name.text == "now" else view.its[name.text]
        case s.Was(name):
            return view.before[name.text]
        case s.Dot(s.Ref(name), part) if name not in view.local and (name in view.words.agents or name == "start"):
            return _remembered(name, part.text, view)
        case s.Dot(of, part):
            record = value(of, view)
            assert isinstance(record, Mapping)
            return record[part.text]
        case s.Apply(name, args):
            return _applied(name.text, args, view)
        case s.Not(of):
            return not holds(of, view)
        case s.Negative(of):
            return -_number(of, view)
        case s.Junction(op, parts):
            return all(holds(p, view) for p in parts) if op == "and" else any(holds(p, view) for p in parts)
        case s.Comparison(op, known, left, right):
            sides = value(left, view), value(right, view)
            return not (known and None in sides) and _compared(op, *sides)
        case s.Arithmetic(op, left, right):
            first, second = _number(left, view), _number(right, view)
            return {"+": first + second, "-": first - second, "*": first * second}[op]
        case s.InSet(of, items):
            return value(of, view) in [value(item, view) for item in items]
        case s.IsKnown(of, known):
            return (value(of, view) is not None) is known
        case _:
            assert_never(expr)


def _time(text: str) -> Fraction:
    moment = datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00Z")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return Fraction(since.days * 86_400 + since.seconds) * 1000 + Fraction(since.microseconds // 1000)


def _number(expr: s.Expr, view: View) -> Fraction:
    number = value(expr, view)
    assert isinstance(number, Fraction)
    return number


def _compared(op: str, left: Plain, right: Plain) -> bool:
    if op in ("==", "!="):
        return (left == right) is (op == "==")
    assert isinstance(left, Fraction)
    assert isinstance(right, Fraction)
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[op]


def _named(name: str, view: View) -> Plain:
    """A parameter, a fact, a define, `now`, or else a value of an enum."""
    if name in view.local:
        return view.local[name]
    if name == "now":
        return view.now
    if name in view.after:
        return view.after[name]
    if name in view.words.defines:
        return value(view.words.defines[name].value, replace(view, its={}, local={}))
    return name


def _remembered(name: str, part: str, view: View) -> Plain:
    """A field of the agent's last suggestion of this turn, or of the start."""
    for i in range(view.at, -1, -1):
        step = view.trace[i]
        if step.event == name:
            return step.fields[part]
        if step.opened and name != "start":
            return None
    return None


def _applied(name: str, args: tuple[s.Argument, ...], view: View) -> Plain:
    if name in ("disclosed", "called", "pending") and name not in view.words.defines:
        of = args[0].value
        assert isinstance(of, s.Ref)
        return _history(name, of.name, view)
    if name in view.words.defines:
        define = view.words.defines[name]
        labels = [param.name.text for param in define.params or ()]
        given = {arg.label.text if arg.label else labels[0]: value(arg.value, view) for arg in args}
        return value(define.value, replace(view, its={}, local=given))
    return {arg.label.text if arg.label else "": value(arg.value, view) for arg in args}


def _history(name: str, of: str, view: View) -> bool:
    """What was disclosed or called before this step, or waits for an answer since."""
    steps = view.trace[: max(view.at, 0)]
    if name != "pending":
        kind = "disclose" if name == "disclosed" else "call"
        return any(act.kind == kind and act.name == of for step in steps for act in step.acts)
    waiting: list[Mapping[str, Plain]] = []
    for step in steps:
        if step.event in (of, f"{of} fails", f"{of} uncertain"):
            answered = {arg: step.fields[arg] for arg in view.words.tools.get(of, ())}
            if answered in waiting:
                waiting.remove(answered)
        gone = step.event == "hangup"
        for act in step.acts:
            if act.kind in ("ask", "call", "exhausted") and act.name == of:
                waiting.append(act.fields)
            gone |= act.kind in ("escalate", "end")
        if gone and of in view.words.agents:
            waiting.clear()
    return bool(waiting)
