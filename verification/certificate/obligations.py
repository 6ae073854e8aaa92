"""What has to be shown of a certificate: its invariants hold at first, each step keeps them, and nothing is broken.

All invariants are shown together, so each may lean on all others: by induction over the steps of a conversation, before
each step all of them hold and nothing was broken, so the step breaks nothing, and all of them hold after it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product

from charter.dsl.program import OVER, STEP_CHECKS, TURN_OPEN, And, EventKind, Expr, Not, Read, Variable
from charter.dsl.types import BOOL
from charter.verification.certificate.columns import Columns
from charter.verification.certificate.reader import Column, Node, as_term, clauses, in_order
from charter.verification.certificate.script import FALSE, TRUE, Term
from charter.verification.certificate.step import Step, step
from charter.verification.certificate.world import World


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
    """What is to be shown for one kind of event in one case: that `assumed` excludes each of `wrong`."""

    kind: EventKind
    assumed: Sequence[Term]
    wrong: Mapping[Obligation, Term]


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of the invariants of goals, to be looked at in any state: its terms in order, and its columns."""

    goals: tuple[str, ...]
    nodes: tuple[Node, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stated:
    """Every clause in a state; `by` has the columns of the state."""

    by: Mapping[str, Term]
    clauses: Sequence[Term]


class Invariants:
    """Invariants in a world, clause by clause."""

    def __init__(self, world: World, clauses: Iterable[Clause]) -> None:
        """Clauses that say the same are one, of all their goals."""
        self.world = world
        by = _columns(world.state)
        once: dict[Term, Clause] = {}
        for clause in clauses:
            term = as_term(world.script, clause.nodes, by)
            goals = once[term].goals if term in once else ()
            once[term] = replace(clause, goals=tuple(dict.fromkeys((*goals, *clause.goals))))
        self.clauses = tuple(once.values())
        self._anywhere = Stated(by, tuple(once))
        self._known: dict[tuple[str | int, ...], Term] = {}
        self._about: dict[str, list[int]] = {}
        for place, clause in enumerate(self.clauses):
            for column in clause.columns:
                self._about.setdefault(column, []).append(place)

    def in_(self, state: Mapping[Variable, Columns], like: Stated | None = None) -> Stated:
        """Each clause in a state; `like` is a state of which it is not far."""
        like = like or self._anywhere
        by = _columns(state)
        changed = {place for name, places in self._about.items() if by[name] != like.by[name] for place in places}
        found = list(like.clauses)
        for place in sorted(changed):
            clause = self.clauses[place]
            key: tuple[str | int, ...] = (place, *[by[name].text for name in clause.columns])
            if key not in self._known:
                self._known[key] = as_term(self.world.script, clause.nodes, by)
            found[place] = self._known[key]
        return Stated(by, found)


def _columns(state: Mapping[Variable, Columns]) -> dict[str, Term]:
    return {f"{name}{inner}": term for name, of in state.items() for inner, term in of.items()}


def clauses_of(goal: str, node: Node) -> Iterator[Clause]:
    """The clauses of an invariant of a goal."""
    for part in clauses(node):
        nodes = in_order(part)
        yield Clause((goal,), nodes, tuple(sorted({each.name for each in nodes if isinstance(each, Column)})))


def false_at_first(invariants: Invariants) -> list[Obligation]:
    """The goals whose invariants do not hold before `start`, where every column has a value."""
    stated = zip(invariants.clauses, invariants.in_(invariants.world.initial).clauses, strict=True)
    goals = (goal for clause, holds in stated if holds != TRUE for goal in clause.goals)
    return [Obligation(goal, What.FIRST) for goal in dict.fromkeys(goals)]


def questions(invariants: Invariants) -> Iterator[Question]:
    """What has to be asked of a solver: for each kind of event and each case in which anything could go wrong."""
    world = invariants.world
    known: dict[frozenset[tuple[Variable, bool]], _Before] = {}
    for kind in world.program.events:
        for flags in _cases(world, kind):
            if flags not in known:
                known[flags] = _before(invariants, flags)
            before = known[flags]
            if FALSE in before.stated.clauses:
                continue
            made = step(world, kind, before.state)
            wrong = _wrong(invariants, kind, made, before)
            if wrong and FALSE not in made.comes:
                yield Question(kind, (*made.comes, *before.stated.clauses), wrong)


@dataclass(frozen=True, slots=True)
class _Before:
    """A state before a step: with every column that has but one value there, and what is assumed of the others."""

    state: Mapping[Variable, Columns]
    stated: Stated


def _before(invariants: Invariants, flags: Iterable[tuple[Variable, bool]]) -> _Before:
    """The states where these flags have these values and all invariants hold, as far as that can be seen at once."""
    world = invariants.world
    state = {**world.state, **{name: {"": TRUE if value else FALSE} for name, value in flags}}
    places = {term.text: (name, inner) for name, of in world.state.items() for inner, term in of.items()}
    stated = invariants.in_(state)
    while True:
        literals = (each for term in stated.clauses for each in world.script.literals(term))
        settled = {variable.text: value for variable, value in literals}
        if not settled:
            return _Before(state, stated)
        for text, value in settled.items():
            name, inner = places[text]
            state[name] = {**state[name], inner: value}
        stated = invariants.in_(state, stated)


def _cases(world: World, kind: EventKind) -> Iterator[frozenset[tuple[Variable, bool]]]:
    """Flags that have one value wherever an event of that kind can come, with each way in which the turn stands."""
    given = dict(_given(world.program.events[kind].possible))
    free = [flag for flag in (TURN_OPEN, OVER) if flag not in given]
    for values in product((True, False), repeat=len(free)):
        yield frozenset({**given, **dict(zip(free, values, strict=True))}.items())


def _given(condition: Expr) -> Iterator[tuple[Variable, bool]]:
    """The flags that must hold, or not, for a condition to hold."""
    match condition:
        case And(parts):
            for part in parts:
                yield from _given(part)
        case Read(variable, type_) if type_ == BOOL:
            yield variable, True
        case Not(Read(variable, type_)) if type_ == BOOL:
            yield variable, False


def _wrong(invariants: Invariants, kind: EventKind, made: Step, before: _Before) -> dict[Obligation, Term]:
    script = invariants.world.script
    unstopped = script.not_(script.or_(made.stopped.values()))
    goes = script.and_((unstopped, script.not_(script.or_(made.broken.values()))))
    found: dict[Obligation, list[Term]] = {}
    for goal, breaks in (*made.stopped.items(), *made.broken.items()):
        of = breaks if goal in STEP_CHECKS else script.and_((unstopped, breaks))
        found.setdefault(Obligation(goal, What.UNBROKEN, kind), []).append(of)
    after = invariants.in_(made.after, before.stated)
    for clause, was, holds in zip(invariants.clauses, before.stated.clauses, after.clauses, strict=True):
        if holds != was:
            lost = script.and_((goes, script.not_(holds)))
            for goal in clause.goals:
                found.setdefault(Obligation(goal, What.KEPT, kind), []).append(lost)
    joined = {obligation: script.or_(terms) for obligation, terms in found.items()}
    return {obligation: term for obligation, term in joined.items() if term != FALSE}
