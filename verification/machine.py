"""A goal as a machine: which columns of the state it keeps, and every kind of event seen through them.

A goal is missed by a step. What the step leads to, and whether it misses the goal, are looked at apart: a path ends
where the goal is missed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields

from charter.dsl.program import (
    OVER,
    STARTED,
    STEP_CHECKS,
    TRANSFERRING,
    TURN_OPEN,
    EventKind,
    Expr,
    Program,
    Read,
    Requirement,
    Role,
    Variable,
    Watch,
)
from charter.verification.encode import Encoder
from charter.verification.facts import Facts, Known
from charter.verification.localise import localised
from charter.verification.symbols import known_of, scalar
from charter.verification.terms import FALSE, TRUE, Graph, Term, substituted


@dataclass(frozen=True, slots=True)
class Goal:
    """What no step may miss: a requirement by its watches and ghosts, or a check of every policy, or one case of it;
    or, where it is `asked`, what may not be true of a step of a kind."""

    name: str
    watches: tuple[Watch, ...] = ()
    ghosts: tuple[Variable, ...] = ()
    case: tuple[EventKind, int] | None = None
    asked: tuple[tuple[EventKind, Term], ...] = ()


@dataclass(frozen=True, slots=True)
class Class:
    """Kinds of events that look alike. `goes`: the step happens; `after`: the kept columns that change, after it."""

    goes: Term
    after: Mapping[Term, Term]
    kinds: tuple[EventKind, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A goal's machine through its kept columns: what steps do, and what misses the goal (`after` is empty there)."""

    kept: tuple[Term, ...]
    steps: tuple[Class, ...]
    misses: tuple[Class, ...]


def goals_of(program: Program) -> tuple[Goal, ...]:
    """What holds for every policy first, then the requirements in their order."""
    return (*(Goal(name) for name in STEP_CHECKS), *(goal_of(program, r) for r in program.requirements))


def goal_of(program: Program, requirement: Requirement) -> Goal:
    """A requirement as a goal."""
    written = {name for watch in requirement.watches for name, _ in watch.updates}
    ghosts = tuple(n for n, info in program.variables.items() if n in written and info.role is Role.GHOST)
    return Goal(requirement.name, requirement.watches, ghosts)


def _reads(node: object) -> Iterator[Read]:
    if isinstance(node, Read):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from _reads(item)
    elif isinstance(node, Watch | Expr):
        for field in fields(node):
            yield from _reads(getattr(node, field.name))


class Machine:
    """The exact steps of a program as columns, and pictures of them."""

    def __init__(self, encoder: Encoder, goals: Iterable[Goal], facts: Facts) -> None:
        self._needing_start = facts.needing_start
        self._never: dict[Term, Term] = dict.fromkeys(facts.never, FALSE)
        self._always: dict[tuple[Term, ...], Term] = {}
        self._facts = Known(encoder.graph, facts)
        self.encoder = encoder
        self.graph: Graph = encoder.graph
        self.kinds: tuple[EventKind, ...] = tuple(encoder.program.events)
        self.place: dict[Term, tuple[Variable, int]] = {}
        for variable, of in encoder.state.items():
            for i, column in enumerate(encoder.flat(variable, of)):
                self.place[column] = (variable, i)
        self._state = 0
        for column in self.place:
            self._state |= self.graph.inputs[column]
        self._views: dict[tuple[tuple[Term, ...], tuple[Term, ...], int, bool], tuple[Term, ...]] = {}
        self._comes: dict[EventKind, Term] = {}
        self._after: dict[tuple[EventKind, Variable], list[Term]] = {}
        self._require(goals)

    def requiring(self, goals: Iterable[Goal]) -> "Machine":
        """The same steps with other goals; what was worked out of the steps is not worked out again."""
        other = copy(self)
        other._require(goals)
        return other

    def _require(self, goals: Iterable[Goal]) -> None:
        self.goals = {goal.name: goal for goal in goals}
        self._owner = {ghost: goal for goal in self.goals.values() for ghost in goal.ghosts}
        self._judged: dict[tuple[str, EventKind], tuple[Term, dict[Variable, list[Term]]]] = {}

    # --- exact

    def mentioned(self, terms: Iterable[Term]) -> tuple[Term, ...]:
        """The columns of the state that terms mention."""
        bits = self._bits(terms) & self._state
        found = []
        while bits:
            least = bits & -bits
            found.append(self.graph.variables[least.bit_length() - 1])
            bits ^= least
        return tuple(found)

    def columns_of(self, variables: Iterable[Variable]) -> tuple[Term, ...]:
        """The columns of variables."""
        return tuple(t for v in variables for t in self.encoder.flat(v, self.encoder.state[v]))

    def begins_with(self, goal: Goal) -> tuple[Term, ...]:
        """The columns that a picture of a goal keeps in any case: where all stands, what it remembers and reads."""
        read = {read.variable for watch in goal.watches for read in _reads(watch)}
        whole = (STARTED, OVER, TURN_OPEN, TRANSFERRING)
        return self.columns_of(v for v in self.encoder.infos if v in read or v in goal.ghosts or v in whole)

    def rank(self, column: Term) -> int:
        """How far from the point a column is, as a thing to keep: where all stands, what is open, single calls."""
        variable, _ = self.place[column]
        if variable in (STARTED, OVER, TURN_OPEN, TRANSFERRING):
            return 0
        return 2 if variable not in self.encoder.infos or self.encoder.layouts[variable].places else 1

    def initial(self, column: Term) -> Term:
        """The value of a column before `start`."""
        variable, i = self.place[column]
        return self.encoder.flat(variable, self.encoder.initial(variable))[i]

    def comes(self, kind: EventKind) -> Term:
        """Whether an event of the kind can come."""
        if kind not in self._comes:
            step = self.encoder.step(kind)
            started = scalar(self.encoder.state[STARTED]) if kind in self._needing_start else TRUE
            self._comes[kind] = self._known(self.graph.and_(step.possible, step.ordered, started))
        return self._comes[kind]

    def misses(self, kind: EventKind, goal: Goal) -> Term:
        """Whether a step misses a goal; only where it comes."""
        if goal.asked:
            return self._known(dict(goal.asked).get(kind, FALSE))
        if goal.name not in STEP_CHECKS:
            return self._judge(goal, kind)[0]
        cases = self.encoder.step(kind).broken[goal.name]
        if goal.case is None:
            return self._known(self.graph.or_(*cases))
        return self._known(cases[goal.case[1]]) if kind == goal.case[0] else FALSE

    def after(self, kind: EventKind, column: Term) -> Term:
        """A column after a step that nothing stops."""
        variable, i = self.place[column]
        if variable in self._owner:
            return self._judge(self._owner[variable], kind)[1][variable][i]
        if (kind, variable) not in self._after:
            final = self.encoder.step(kind).wanted.final[variable]
            self._after[kind, variable] = [self._known(t) for t in self.encoder.flat(variable, final)]
        return self._after[kind, variable][i]

    def goes(self, kind: EventKind, without: Iterable[str]) -> Term:
        """Whether a step happens, where none of these other goals may be missed."""
        return self.graph.and_(self.comes(kind), *(self.graph.not_(self.misses(kind, self.goals[n])) for n in without))

    def bad(self, kind: EventKind, goal: Goal, without: Iterable[str]) -> Term:
        """Whether a step comes and misses the goal; where it breaks what holds for every policy, nothing is judged."""
        first = [n for n in without if n in STEP_CHECKS and goal.name not in STEP_CHECKS]
        unstopped = [self.graph.not_(self.misses(kind, self.goals[n])) for n in first]
        return self.graph.and_(self.comes(kind), self.misses(kind, goal), *unstopped)

    def always(self, columns: tuple[Term, ...]) -> Term:
        """What is true of these columns in every state, by their types and by what is known of the program."""
        if columns not in self._always:
            typed = known_of(self.graph, columns, self.encoder.columns)
            self._always[columns] = self.graph.and_(*typed, *self._facts.within(self._bits(columns)))
        return self._always[columns]

    def _known(self, term: Term) -> Term:
        """The term where flags that never hold do not."""
        return substituted(self.graph, [term], self._never)[0] if self._never else term

    # --- pictures

    def picture(self, goal: Goal, kept: Sequence[Term], without: Iterable[str], exact: bool = False) -> Picture:
        """The machine through these columns; `exact`: with all else as it is, though of any value before each step."""
        kept, without = tuple(kept), tuple(without)
        steps: dict[tuple[tuple[Term, ...], tuple[Term, ...]], list[EventKind]] = {}
        misses: dict[Term, list[EventKind]] = {}
        for kind in self.kinds:
            after = {column: self.after(kind, column) for column in kept}
            changed = tuple(column for column in kept if after[column] != column)
            if changed:
                roots = (self.goes(kind, without), *(after[column] for column in changed))
                view = self._seen(roots, kept, exact)
                if view[0] != FALSE and view[1:] != changed:
                    steps.setdefault((changed, view), []).append(kind)
            bad = self.bad(kind, goal, without)
            if bad != FALSE:
                view = self._seen((bad,), kept, exact)
                if view[0] != FALSE:
                    misses.setdefault(view[0], []).append(kind)
        return Picture(
            kept,
            tuple(
                Class(goes, dict(zip(changed, after, strict=True)), tuple(kinds))
                for (changed, (goes, *after)), kinds in steps.items()
            ),
            tuple(Class(bad, {}, tuple(kinds)) for bad, kinds in misses.items()),
        )

    def _seen(self, roots: tuple[Term, ...], kept: tuple[Term, ...], exact: bool) -> tuple[Term, ...]:
        here = self._bits(kept)
        mentioned = self._bits(roots) & self._state
        facts = () if exact else tuple(self._facts.between(mentioned & ~here, here))
        near = (mentioned | self._bits(facts)) & here
        key = roots, facts, near, exact
        if key not in self._views:
            known = (self.graph.and_(roots[0], *facts), *roots[1:])
            keeps = [column for column in kept if self.graph.inputs[column] & near]
            self._views[key] = localised(self.graph, known, keeps, self.encoder.columns, exact=exact)
        return self._views[key]

    def _bits(self, terms: Iterable[Term]) -> int:
        bits = 0
        for term in terms:
            bits |= self.graph.inputs[term]
        return bits

    def _judge(self, goal: Goal, kind: EventKind) -> tuple[Term, dict[Variable, list[Term]]]:
        if (goal.name, kind) not in self._judged:
            step = self.encoder.step(kind)
            broken, after = self.encoder.judged(step, step.wanted, goal.watches, goal.ghosts)
            columns = {v: [self._known(t) for t in self.encoder.flat(v, s)] for v, s in after.items()}
            self._judged[goal.name, kind] = self._known(broken), columns
        return self._judged[goal.name, kind]
