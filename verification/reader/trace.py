"""Conversations as the reader sees them, and programs that break their requirements freely."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from charter.dsl.program import (
    FALSE,
    SAFE_STOPS,
    TURN_OPEN,
    Act,
    ActKind,
    Event,
    Lifetime,
    Opening,
    Or,
    Program,
    Read,
    Role,
    State,
    Variable,
    VariableInfo,
    Watch,
)
from charter.dsl.semantics import Outcome
from charter.dsl.types import (
    BOOL,
    DecimalType,
    OptionalType,
    RecordType,
    Type,
    Value,
)
from charter.verification.reader.conditions import Plain, SeenAct, SeenStep


def seen(program: Program, state: State, event: Event, outcome: Outcome) -> SeenStep:
    """One step, which `event` took from `state`, for the reader."""
    info = program.events[event.kind]
    return SeenStep(
        event=event.kind,
        fields={name: plain(event.fields[name], type_) for name, type_ in info.fields},
        now=Fraction(event.now),
        before=plain_facts(program, outcome.old),
        after=plain_facts(program, outcome.state),
        acts=tuple(_act(program, act) for act in outcome.acts),
        opened=not state[TURN_OPEN] and info.opening is not Opening.JOINS,
        closed=not outcome.state[TURN_OPEN],
        stopped=outcome.state[SAFE_STOPS] != state[SAFE_STOPS] or bool(outcome.broken),
    )


def plain_facts(program: Program, state: State) -> dict[str, Plain]:
    """The declared facts."""
    infos = program.variables.items()
    return {name: plain(state[name], info.type) for name, info in infos if info.role is Role.FACT}


def plain(value: Value, type_: Type) -> Plain:
    """A value without its representation: exact numbers, records by field."""
    match type_:
        case OptionalType(of):
            return None if value is None else plain(value, of)
        case DecimalType(places) if isinstance(value, int):
            return Fraction(value, 10**places)
        case RecordType(_, fields) if isinstance(value, tuple):
            return {name: plain(part, of) for part, (name, of) in zip(value, fields, strict=True)}
        case _ if isinstance(value, bool | str):
            return value
        case _ if isinstance(value, int):
            return Fraction(value)
        case _:
            raise TypeError(f"{value!r} is no value of a policy")


def _act(program: Program, act: Act) -> SeenAct:
    typed = zip(act.args, _types(program, act), strict=True)
    return SeenAct(act.kind, act.name, {name: plain(value, type_) for (name, value), type_ in typed})


def _types(program: Program, act: Act) -> Iterable[Type]:
    match act.kind:
        case ActKind.CALL | ActKind.EXHAUSTED if act.name in program.tools:
            return [type_ for _, type_ in program.tools[act.name].args]
        case ActKind.SAY | ActKind.DISCLOSE:
            return [type_ for _, type_ in program.speech[act.kind, act.name].slots]
        case _:
            return [BOOL for _ in act.args]  # a note's text, a timer's duration: nothing looks inside


# --- requirements that are observed, not enforced --------------------------------------------------------------------


def unenforced(program: Program) -> Program:
    """The program with its requirements only watched; `violations` tells what each step broke."""
    watches = tuple(_noted(watch, violated(r.name)) for r in program.requirements for watch in r.watches)
    flags = [violated(requirement.name) for requirement in program.requirements]
    infos = {flag: VariableInfo(flag, BOOL, False, Lifetime.STEP, Role.GHOST) for flag in flags}
    return replace(
        program,
        variables={**program.variables, **infos},
        bookkeeping=(*program.bookkeeping, *watches),
        requirements=(),
    )


def violations(program: Program, state: State) -> set[str]:
    """The requirements of the program that the last step broke, in a state of the `unenforced` one."""
    return {requirement.name for requirement in program.requirements if state[violated(requirement.name)]}


def violated(requirement: str) -> Variable:
    """Whether the last step broke a requirement, in an `unenforced` program."""
    return Variable(f"{requirement}: violated")


def _noted(watch: Watch, flag: Variable) -> Watch:
    if watch.broken == FALSE:
        return watch
    return Watch(watch.moment, watch.when, FALSE, (*watch.updates, (flag, Or((Read(flag, BOOL), watch.broken)))))


__all__ = ["plain", "plain_facts", "seen", "unenforced", "violations"]
