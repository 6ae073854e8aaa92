"""The order that the run time keeps beyond what an event's own `possible` says (`dsl/session.py`).

Time never goes back; what the policy assumes of a tool's result holds, or the event is a failure instead; and an ask or
call beyond its bound is answered at once: while such an answer is owed and can come, nothing else does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from charter.dsl.lower.written import REASON
from charter.dsl.program import ActKind, EventKind, Program, Variable
from charter.dsl.types import RecordType
from charter.verification.certificate.acts import Act
from charter.verification.certificate.columns import Columns, chosen, constant, equal, hollow, names, shaped
from charter.verification.certificate.expressions import Expressions, Scope
from charter.verification.certificate.script import FALSE, TRUE, Term

CLOCK = Variable("clock")


@dataclass(frozen=True, slots=True)
class Owed:
    """The answer to an exhausted ask or call: whether it is owed, and for which arguments."""

    of: str
    args: RecordType

    @property
    def flag(self) -> Variable:
        """Whether it is owed."""
        return Variable(f"owed {self.of}")

    @property
    def call(self) -> Variable:
        """The arguments."""
        return Variable(f"owed {self.of} with")

    @property
    def answer(self) -> EventKind:
        """The event."""
        return EventKind(f"{self.of} fails")


def owed_by(program: Program) -> tuple[Owed, ...]:
    """One for each agent and tool."""
    tools = (Owed(name, RecordType(name, tool.args)) for name, tool in program.tools.items())
    return (*(Owed(name, RecordType(name, ())) for name in program.agents), *tools)


def due(write: Expressions, program: Program, before: Scope) -> Mapping[EventKind, Term]:
    """Whether each answer is owed, and can come."""
    return {each.answer: _due(write, program, each, before) for each in owed_by(program)}


def in_order(
    write: Expressions, program: Program, kind: EventKind, before: Scope, owed: Mapping[EventKind, Term]
) -> list[Term]:
    """That an event of that kind keeps the order: where all these hold."""
    script = write.script
    assumed = program.assumptions.get(kind)
    keeps = [script.le(before.old[CLOCK][""], before.now)]
    keeps.append(TRUE if assumed is None else write.holds(assumed, before))
    answers = script.or_(_answers(write, each, before) for each in owed_by(program) if each.answer == kind)
    answered = script.and_((owed.get(kind, FALSE), answers))
    for answer, is_due in owed.items():
        keeps.append(script.or_((script.not_(is_due), answers if answer == kind else answered)))
    return keeps


def owed_after(
    write: Expressions,
    program: Program,
    kind: EventKind,
    before: Scope,
    owed: Mapping[EventKind, Term],
    acts: Iterable[Act],
) -> Mapping[Variable, Columns]:
    """What is owed after a step: what it exhausts, and what was owed, could have come and is not this event."""
    script = write.script
    found: dict[Variable, Columns] = {}
    exhausted = [act for act in acts if act.kind is ActKind.EXHAUSTED]
    for each in owed_by(program):
        is_due = FALSE if each.answer == kind else owed[each.answer]
        call = chosen(script, is_due, before.old[each.call], hollow(each.args))
        for act in exhausted:
            if act.name == each.of:
                is_due = script.or_((act.leaves, is_due))
                args = {f".{name}{inner}": term for name, arg in act.args.items() for inner, term in arg.items()}
                call = chosen(script, act.leaves, shaped(args, call), call)
        found |= {each.flag: {"": is_due}, each.call: call}
    return found


def _due(write: Expressions, program: Program, owed: Owed, before: Scope) -> Term:
    """Whether an answer is owed, and can come."""
    flag, call = before.old[owed.flag][""], before.old[owed.call]
    if flag == FALSE:
        return FALSE
    its = {name: {inner: call[f".{name}{inner}"] for inner in names(t)} for name, t in owed.args.fields}
    answer = Scope(
        before.old, before.old, {**its, "reason": constant(write.numbering, "exhausted", REASON)}, before.now
    )
    return write.script.and_((flag, write.holds(program.events[owed.answer].possible, answer)))


def _answers(write: Expressions, owed: Owed, before: Scope) -> Term:
    """Whether the event before us is that answer."""
    script, call = write.script, before.old[owed.call]
    reason = equal(script, REASON, before.its["reason"], constant(write.numbering, "exhausted", REASON))
    given = {f".{name}{inner}": before.its[name][inner] for name, t in owed.args.fields for inner in names(t)}
    return script.and_((reason, equal(script, owed.args, given, call)))
