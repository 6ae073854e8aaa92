"""What has to be shown of a certificate: its invariants hold at first, each step keeps them, and nothing is broken.

All invariants are shown together, so each may lean on all others: by induction over the steps of a conversation, before
each step all of them hold and nothing was broken, so the step breaks nothing, and all of them hold after it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from charter.dsl.program import EventKind, Variable
from charter.verification.certificate.books import books
from charter.verification.certificate.columns import Columns
from charter.verification.certificate.reader import Node, as_term
from charter.verification.certificate.script import FALSE, TRUE, Term
from charter.verification.certificate.step import BUILT_IN, Step, step
from charter.verification.certificate.world import World

BOOKS = "the books"


class What(StrEnum):
    """What is to be shown of a goal."""

    FIRST = "its invariant holds before `start`"
    KEPT = "its invariant is kept"
    UNBROKEN = "it is not broken"


@dataclass(frozen=True, slots=True)
class Obligation:
    """One thing to be shown: of which goal, and for which kind of event."""

    goal: str
    what: What
    kind: EventKind | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Everything to be shown for one kind of event. It holds if `assumed` and `wrong` exclude each other."""

    kind: EventKind
    assumed: Sequence[Term]
    wrong: Mapping[Obligation, Term]


Invariants = Mapping[str, Sequence[Node]]


def false_at_first(world: World, invariants: Invariants) -> list[Obligation]:
    """The goals whose invariants do not hold before `start`, where every column has a value."""
    return [Obligation(goal, What.FIRST) for goal, holds in _stated(world, invariants, world.initial) if holds != TRUE]


def questions(world: World, invariants: Invariants) -> Iterator[Question]:
    """What has to be asked of a solver, for each kind of event with which anything could go wrong."""
    before = _stated(world, invariants, world.state)
    for kind in world.program.events:
        made = step(world, kind)
        wrong = _wrong(world, invariants, kind, made, before)
        if wrong:
            yield Question(kind, (made.comes, *(holds for _, holds in before)), wrong)


def _wrong(
    world: World, invariants: Invariants, kind: EventKind, made: Step, before: Sequence[tuple[str, Term]]
) -> dict[Obligation, Term]:
    script = world.script
    unstopped = script.not_(script.or_(made.stopped.values()))
    goes = script.and_((unstopped, script.not_(script.or_(made.broken.values()))))
    found: dict[Obligation, list[Term]] = {}
    for goal, breaks in (*made.stopped.items(), *made.broken.items()):
        of = breaks if goal in BUILT_IN else script.and_((unstopped, breaks))
        found.setdefault(Obligation(goal, What.UNBROKEN, kind), []).append(of)
    after = _stated(world, invariants, made.after)
    for (goal, was), (_, holds) in zip(before, after, strict=True):
        if holds != was:
            lost = script.and_((goes, script.not_(holds)))
            found.setdefault(Obligation(goal, What.KEPT, kind), []).append(lost)
    joined = {obligation: script.or_(terms) for obligation, terms in found.items()}
    return {obligation: term for obligation, term in joined.items() if term != FALSE}


def _stated(world: World, invariants: Invariants, state: Mapping[Variable, Columns]) -> list[tuple[str, Term]]:
    """Every invariant in a state, in one order, with its goal; those of the books are first."""
    by = {f"{name}{inner}": term for name, of in state.items() for inner, term in of.items()}
    stated = [(BOOKS, term) for term in books(world, state).values()]
    return stated + [(goal, as_term(world.script, node, by)) for goal, nodes in invariants.items() for node in nodes]
