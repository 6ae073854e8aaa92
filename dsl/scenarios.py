"""The `test` blocks of a policy, checked with everything else; `rehearse` plays them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from charter.dsl.diagnostics import Code, did_you_mean
from charter.dsl.evaluate import constant
from charter.dsl.lower.expressions import condition, typed, variable_of
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.happenings import acts_of, kinds_of
from charter.dsl.lower.names import Names, Parameters
from charter.dsl.lower.rules import act_of
from charter.dsl.lower.scope import Ill, Scope
from charter.dsl.lower.written import duration_ms
from charter.dsl.program import Act, ActKind, EventKind, Expr, Program, Variable
from charter.dsl.source import Span
from charter.dsl.syntax import tree as s
from charter.dsl.types import OptionalType, Value

EPOCH = 1_767_225_600_000  # 2026-01-01T00:00:00Z: when tests begin
PACE = 1000  # ms between two events of a test


@dataclass(frozen=True, slots=True)
class Given:
    """Sets a fact before what follows."""

    variable: Variable
    value: Value


@dataclass(frozen=True, slots=True)
class Happens:
    """An event; the arguments of a call that it answers are filled in when it is played."""

    kind: EventKind
    fields: Mapping[str, Value]
    span: Span


@dataclass(frozen=True, slots=True)
class Waits:
    """Time passes, in ms; timers that run out in it come."""

    duration: int


@dataclass(frozen=True, slots=True)
class Attempts:
    """Asks what would be broken if the rules did this now."""

    act: Act
    span: Span


@dataclass(frozen=True, slots=True)
class Expected:
    """One of these acts was done (or none was), with these arguments among its own."""

    no: bool
    kind: ActKind
    names: tuple[str, ...]
    args: Mapping[str, Value]
    written: str
    span: Span


@dataclass(frozen=True, slots=True)
class ExpectedState:
    """A condition holds."""

    condition: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class ExpectedBroken:
    """A requirement was broken, or would be."""

    requirement: str
    span: Span


Move: TypeAlias = Given | Happens | Waits | Attempts | Expected | ExpectedState | ExpectedBroken


@dataclass(frozen=True, slots=True)
class Scenario:
    """A test block, ready to be played."""

    title: str
    span: Span
    moves: tuple[Move, ...]


# --- checking --------------------------------------------------------------------------------------------------------


def scenarios_of(names: Names, program: Program, findings: Findings, tests: Iterable[s.Test]) -> tuple[Scenario, ...]:
    """Test blocks, checked; a step with a mistake is reported and left out."""
    scenarios = []
    for test in tests:
        moves = (_move(step, names, program, findings) for step in test.steps)
        scenarios.append(Scenario(test.title.text, test.title.span, tuple(m for m in moves if m is not None)))
    return tuple(scenarios)


def _move(step: s.TestStep, names: Names, program: Program, findings: Findings) -> Move | None:
    outside = Scope(names, findings, variables=False)
    match step:
        case s.Given(fact, value):
            found = variable_of(names, fact.text, findings, fact.span)
            result = None if found is None else typed(value, outside, found[1])
            if found is None or result is None or isinstance(result, Ill):
                return None
            return Given(found[0], constant(result, {}))
        case s.TestEvent():
            return _happens(step, names, program, findings)
        case s.Wait(duration):
            return Waits(duration_ms(duration, findings))
        case s.Attempt(act, span):
            site = act_of(act, outside)
            if site is None:
                findings.error(Code.TEST, "this cannot be attempted: it is nothing that leaves", span)
                return None
            return Attempts(Act(site.kind, site.name, tuple((n, constant(v, {})) for n, v in site.args)), span)
        case s.ExpectAct(no, act_ref, arguments, span):
            return _expected(no, act_ref, arguments, names, findings, span)
        case s.ExpectThat(cond, span):
            return ExpectedState(condition(cond, Scope(names, findings)), span)
        case s.ExpectBroken(requirement, span):
            known = [r.name for r in program.requirements]
            if requirement.text not in known:
                help_ = did_you_mean(requirement.text, known)
                findings.error(Code.UNKNOWN_NAME, f"there is no requirement `{requirement.text}`", span, help_)
            return ExpectedBroken(requirement.text, span)
        case _:
            assert_never(step)


def _happens(step: s.TestEvent, names: Names, program: Program, findings: Findings) -> Happens | None:
    kinds = kinds_of(step.event, names, dict(program.events), findings)
    if len(kinds) != 1:
        if kinds:
            findings.error(Code.TEST, "a test names one event", step.event.span, "name it instead of `any`")
        return None
    kind = kinds[0]
    fields = Parameters(program.events[kind].fields)
    given: dict[str, Value] = {}
    if step.text is not None:
        positional = {"utterance": "text", "keys": "digits"}.get(kind)
        if positional is None:
            findings.error(Code.TEST, f"`{kind}` has no text of its own", step.text.span, "write `(field: value)`")
        else:
            given[positional] = step.text.text
    for argument in step.arguments:
        label = argument.label.text if argument.label else ""
        type_ = fields.get(label)
        if type_ is None:
            help_ = did_you_mean(label, (n for n, _ in fields.fields))
            findings.error(Code.ARGUMENTS, f"`{kind}` has no field `{label}`", argument.span, help_)
            continue
        value = typed(argument.value, Scope(names, findings, variables=False), type_)
        if not isinstance(value, Ill):
            given[label] = constant(value, {})
    _complete(given, kind, fields, names, program, step.span, findings)
    return Happens(kind, given, step.span)


def _complete(
    given: dict[str, Value],
    kind: EventKind,
    fields: Parameters,
    names: Names,
    program: Program,
    span: Span,
    findings: Findings,
) -> None:
    """What a test may leave out: the start's fields, a reason, defaults, unknowns, arguments of the call answered."""
    answered = {name for tool in program.tools.values() if kind.split(" ")[0] == tool.name for name, _ in tool.args}
    usual: dict[str, Value] = {"reason": "error", "text": "…", "digits": "1"}
    if kind in program.agents:
        usual |= program.agents[kind].defaults
    if kind == "start":
        usual |= {"channel": "voice", "language": names.languages[0] if names.languages else ""}
    for name, type_ in fields.fields:
        if name in given or name in answered:
            continue
        if name in usual:
            given[name] = usual[name]
        elif isinstance(type_, OptionalType):
            given[name] = None
        else:
            findings.error(Code.ARGUMENTS, f"`{kind}` needs `{name}`", span, f"write `({name}: …)`")


def _expected(
    no: bool, ref: s.ActRef, written: tuple[s.Argument, ...], names: Names, findings: Findings, span: Span
) -> Expected:
    kind, known = acts_of(ref, names, findings)
    params = Parameters(())
    if len(known) == 1 and kind in (ActKind.SAY, ActKind.DISCLOSE):
        params = names.speech[kind, known[0]][1]
    elif len(known) == 1 and kind is ActKind.CALL:
        params = names.tools[known[0]][1]
    args: dict[str, Value] = {}
    for argument in written:
        label = argument.label.text if argument.label else ""
        type_ = params.get(label)
        if type_ is None:
            findings.error(Code.ARGUMENTS, f"`{kind}` has no argument `{label}` here", argument.span)
            continue
        value = typed(argument.value, Scope(names, findings, variables=False), type_)
        if not isinstance(value, Ill):
            args[label] = constant(value, {})
    return Expected(no, kind, known, args, f"{ref.kind} {ref.name.text if ref.name else 'any'}", span)
