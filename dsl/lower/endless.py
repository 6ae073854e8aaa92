"""What would go on without end by itself: transfers that are tried again and again, notices that bring each other.

Asks and calls need no look here: each has its bound in a turn, and so has each queue, so every turn ends; what a rule
does beyond a bound is the safe stop, and proofs find it behind any guard. Here is what needs no proof: rules that no
condition holds back.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from charter.dsl.diagnostics import Code, Related
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.names import Names
from charter.dsl.program import TRUE, ActKind, EventKind, Program
from charter.dsl.source import Span
from charter.dsl.syntax import tree as s


@dataclass(frozen=True, slots=True)
class _Again:
    """An act on what the same kind of act led to, such as `escalate b` on `escalate a fails`."""

    cause: str
    on: EventKind
    effect: str
    always: bool  # no condition holds it back
    span: Span


def check_endless(names: Names, program: Program, findings: Findings) -> None:
    """Reports rules that escalate, or disclose, in answer to each other without end."""
    transfers = {queue: EventKind(f"escalate {queue} fails") for queue in program.queues}
    notices = {name: EventKind(f"heard {name}") for kind, name in program.speech if kind is ActKind.DISCLOSE}
    longer: list[_Again] = []
    for again in _again(ActKind.ESCALATE, transfers, names, program):
        if again.cause != again.effect or program.queues[again.effect].uses > 1:
            longer.append(again)
            continue
        message = f"`{again.effect}` has failed in this turn, and its bound is once a turn"
        help_ = f"escalate to another queue, or declare `queue {again.effect} … up to 2 times`"
        findings.error(Code.ENDLESS, message, again.span, help_)
    _check_rings(longer, findings)
    _check_rings(_again(ActKind.DISCLOSE, notices, names, program), findings)


def _again(kind: ActKind, answers: Mapping[str, EventKind], names: Names, program: Program) -> Iterator[_Again]:
    """What rules that nothing overrides do again, in the order of the program."""
    for cause, event in answers.items():
        for clause in (clause for stratum in program.strata[event] for clause in stratum):
            for act in names.rules[clause.rule].acts if not clause.overridden_by else ():
                effect = _named(act, kind)
                if effect in answers:
                    yield _Again(cause, event, effect, clause.guard == TRUE, act.span)


def _named(act: s.Act, kind: ActKind) -> str:
    match act:
        case s.Escalate(queue) if kind is ActKind.ESCALATE:
            return queue.text
        case s.Speak(word, name) if word == kind:
            return name.text
        case _:
            return ""


def _check_rings(acts: Iterable[_Again], findings: Findings) -> None:
    """Reports each act that leads back to itself, by acts that stand before it, always."""
    before: list[_Again] = []
    for again in (again for again in acts if again.always):
        ring = _path(before, again.effect, again.cause)
        if ring is not None:
            related = [Related(step.span, f"`{step.on}` leads here") for step in ring]
            message = f"`{again.on}` leads here, and this back to it, without end"
            help_ = "give one of the rules a condition that fails in time"
            findings.error(Code.ENDLESS, message, again.span, help_, related)
        before.append(again)


def _path(steps: list[_Again], start: str, end: str) -> tuple[_Again, ...] | None:
    """The steps that lead from one name to another; None where none do."""
    paths: dict[str, tuple[_Again, ...]] = {start: ()}
    waiting = [start]
    while waiting:
        at = waiting.pop()
        if at == end:
            return paths[at]
        for step in steps:
            if step.cause == at and step.effect not in paths:
                paths[step.effect] = (*paths[at], step)
                waiting.append(step.effect)
    return None
