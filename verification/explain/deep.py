"""`--deep`: a conversation for every rule, or a proof that there is none; and that the caller can always go.

Most rules are come across by playing. Any other is watched by a flag of its own, which it sets where it fires; that
nothing ever sets it is a requirement like any other, so what comes back is a proof or a conversation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from charter.dsl.program import (
    IN_RANGE,
    OVER,
    STARTED,
    Const,
    Event,
    EventKind,
    Lifetime,
    Program,
    Read,
    Requirement,
    Role,
    Settled,
    Variable,
    VariableInfo,
    Watch,
    Write,
)
from charter.dsl.types import BOOL, IntType
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.smt import codes_of
from charter.verification.encode.symbols import scalar
from charter.verification.encode.terms import FALSE, TRUE, substituted
from charter.verification.prove.facts import Facts
from charter.verification.prove.machine import Goal, Machine, goals_of
from charter.verification.prove.prove import Subject
from charter.verification.prove.pursue import Budget, Holds, Missed, Pursued, Undecided, pursue
from charter.verification.prove.witnesses import firings
from charter.verification.workers import Failed, Limits, worked

HANGUP = EventKind("hangup")


@dataclass(frozen=True, slots=True)
class Fires:
    """A conversation in which the rule fires, with its last event."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Dead:
    """No conversation makes the rule fire."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """Neither was found, and why."""

    why: str


Life: TypeAlias = Fires | Dead | Unclear


def lives(subject: Subject, limits: Limits) -> Iterator[tuple[str, Life]]:
    """What is known of each rule, in the order of the policy."""
    found: dict[str, Life] = {}
    for (rule, _), events in firings(subject.program).items():
        known = found.get(rule)
        if not isinstance(known, Fires) or len(events) < len(known.events):
            found[rule] = Fires(events)
    left = tuple(rule for rule in subject.program.rules if rule not in found)
    found |= _pursued(subject, left, limits) if left else {}
    yield from ((rule, found[rule]) for rule in subject.program.rules)


def _pursued(subject: Subject, rules: Sequence[str], limits: Limits) -> dict[str, Life]:
    program = _flagged(subject.program)
    encoder = Encoder(program)
    for kind in program.events:
        encoder.step(kind)
    machine = Machine(encoder, goals_of(program), _facts(subject, encoder))

    def work(rule: str) -> Life:
        probed = replace(program, requirements=(*program.requirements, _probe(rule)))
        goal = goals_of(probed)[-1]
        found = pursue(machine.requiring(goals_of(probed)), probed, goal, codes_of(probed), subject.budget)
        if isinstance(found, Holds) and any(_comes_after_the_end(encoder, kind) for kind in _kinds(program, rule)):
            found = _at_any_time(subject.program, rule, subject.budget)
            if isinstance(found, Missed) and rule not in found.outcomes[-1].fired:
                return Unclear(f"`{IN_RANGE}` breaks before it could fire after the end")
        return _life(found)

    answers = worked(rules, work, limits)
    return {rule: Unclear(life.why) if isinstance(life, Failed) else life for rule, life in answers}


def caller_can_go(subject: Subject) -> bool:
    """Whether the environment can always move: a hang-up can come in every state between `start` and the end."""
    encoder = subject.machine.encoder
    between = {scalar(encoder.state[STARTED]): TRUE, scalar(encoder.state[OVER]): FALSE}
    return substituted(encoder.graph, [encoder.step(HANGUP).possible], between) == [TRUE]


def _life(found: Pursued) -> Life:
    match found:
        case Missed(events):
            return Fires(events)
        case Holds(_, _, ()):
            return Dead()
        case Holds(_, _, without):
            return Unclear(f"it cannot fire before {' or '.join(f'`{name}`' for name in without)} breaks")
        case Undecided(why):
            return Unclear(why)


def _flag(rule: str) -> Variable:
    return Variable(f"fires {rule}")


def _probe(rule: str) -> Requirement:
    watch = Watch(Settled(), broken=Read(_flag(rule), BOOL))
    return Requirement(f"fires {rule}", f"`{rule}` never fires", None, None, (watch,))


def _flagged(program: Program) -> Program:
    """The program in which every rule sets a flag where it fires."""
    flags = {_flag(r): VariableInfo(_flag(r), BOOL, False, Lifetime.STEP, Role.FACT) for r in program.rules}
    strata = {
        kind: tuple(
            tuple(replace(c, writes=(*c.writes, Write(_flag(c.rule), Const(True, BOOL)))) for c in level)
            for level in levels
        )
        for kind, levels in program.strata.items()
    }
    return replace(program, variables={**program.variables, **flags}, strata=strata)


def _facts(subject: Subject, encoder: Encoder) -> Facts:
    """What is known of every state, which is the same whatever is watched."""
    columns = {name: encoder.graph.var(name, column.sort) for name, column in encoder.columns.items()}
    name = subject.machine.graph.name
    clauses = tuple(tuple((columns[name(c)], value) for c, value in clause) for clause in subject.facts.clauses)
    return replace(subject.facts, clauses=clauses)


def _kinds(program: Program, rule: str) -> Iterator[EventKind]:
    for kind, levels in program.strata.items():
        if any(clause.rule == rule for level in levels for clause in level):
            yield kind


def _comes_after_the_end(encoder: Encoder, kind: EventKind) -> bool:
    over = {scalar(encoder.state[OVER]): TRUE}
    return substituted(encoder.graph, [encoder.step(kind).possible], over) != [FALSE]


def _at_any_time(program: Program, rule: str, budget: Budget) -> Pursued:
    """Whether the rule fires even after the end, where no requirement is judged: there it would leave a range."""
    type_ = IntType(0, 0)
    flag = VariableInfo(_flag(rule), type_, 0, Lifetime.STEP, Role.FACT)
    beyond = Write(flag.name, Const(1, type_))
    strata = {
        kind: tuple(
            tuple(replace(c, writes=(*c.writes, beyond)) if c.rule == rule else c for c in level) for level in levels
        )
        for kind, levels in program.strata.items()
    }
    made = replace(program, variables={**program.variables, flag.name: flag}, strata=strata)
    machine = Machine(Encoder(made), goals_of(made), Facts())
    return pursue(machine, made, Goal(IN_RANGE), codes_of(made), budget)
