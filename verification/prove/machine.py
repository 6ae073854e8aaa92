"""The exact steps of a program as columns, and which of them miss a goal.

What a step leads to, and whether it misses the goal, are looked at apart: a path ends where the goal is missed.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, fields

from charter.dsl.program import (
    OVER,
    STARTED,
    STEP_CHECKS,
    TRANSFERRING,
    TURN_OPEN,
    ActKind,
    EventKind,
    Expr,
    Leaving,
    Opening,
    Program,
    Read,
    Requirement,
    Role,
    Variable,
    Watch,
    tried,
)
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.symbols import Symbol, known_of, scalar
from charter.verification.encode.terms import FALSE, TRUE, Graph, Sort, Term, replaced, substituted
from charter.verification.prove.coming import Coming, coming, open_turn
from charter.verification.prove.facts import Clause, Facts, Known
from charter.verification.prove.localise import Views


@dataclass(frozen=True, slots=True)
class Goal:
    """What no step may miss: a requirement by its watches and ghosts, or a check of every policy, or one case of it;
    or, where it is `asked`, what may not be true of a step of a kind."""

    name: str
    watches: tuple[Watch, ...] = ()
    ghosts: tuple[Variable, ...] = ()
    case: tuple[EventKind, int] | None = None
    asked: tuple[tuple[EventKind, Term], ...] = ()


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
    """The steps of a program on all kinds of events, or on some `kinds` only, and the goals that they may miss."""

    def __init__(
        self, encoder: Encoder, goals: Iterable[Goal], facts: Facts, kinds: Iterable[EventKind] | None = None
    ) -> None:
        self.encoder = encoder
        self.graph: Graph = encoder.graph
        self.kinds: tuple[EventKind, ...] = tuple(encoder.program.events if kinds is None else kinds)
        self.place: dict[Term, tuple[Variable, int]] = {}
        self._columns = {variable: encoder.flat(variable, of) for variable, of in encoder.state.items()}
        for variable, columns in self._columns.items():
            for i, column in enumerate(columns):
                self.place[column] = (variable, i)
        self.named = {self.graph.name(column): column for column in self.place}
        self._state = 0
        for column in self.place:
            self._state |= self.graph.inputs[column]
        self._above = self._flags_above()
        self._typed = tuple(self._lower())
        self._know(facts)
        self._rewriting: dict[EventKind, dict[Term, Term]] = {}
        self._opened: dict[Opening, dict[Term, Term]] = {}  # what changes where a turn may be opened
        self._initial: dict[Term, Term] = {}
        self._require(goals)

    def requiring(self, goals: Iterable[Goal]) -> "Machine":
        """The same steps with other goals; what was worked out of the steps is not worked out again."""
        other = copy(self)
        other._require(goals)
        return other

    def supposing(self, clauses: tuple[Clause, ...]) -> "Machine":
        """The same steps where these clauses are known instead."""
        other = copy(self)
        other._know(Facts(self._needing_start, clauses))
        other._require(self.goals.values())
        return other

    def _know(self, facts: Facts) -> None:
        self._needing_start = facts.needing_start
        self.never = facts.never
        self._without: dict[Term, Term] = dict.fromkeys(facts.never, FALSE)  # and what terms are then
        self._known = Known((*facts.clauses, *self._typed))
        turn, *here = self.columns_of((TURN_OPEN, OVER, TRANSFERRING))
        awaited = self._without_never(self.encoder.awaited)
        self._open_turn = open_turn(self.graph, awaited, self._known, turn, frozenset(here))
        self._always: dict[tuple[Term, ...], Term] = {}
        self.views = Views(self.graph, self.encoder.columns)
        self._comes: dict[EventKind, Coming] = {}
        self._after: dict[tuple[EventKind, Variable], list[Term]] = {}

    def _require(self, goals: Iterable[Goal]) -> None:
        self.goals = {goal.name: goal for goal in goals}
        self._owner = {ghost: goal for goal in self.goals.values() for ghost in goal.ghosts}
        self.like: dict[Term, Term] = {}  # the flags of goals, and those of the first goals that they are seen as
        stands: dict[int, Term] = {}
        for goal in self.goals.values():
            for n, flag in enumerate(self._plain_flags(goal)):
                self.like[flag] = stands.setdefault(n, flag)
        self._judged: dict[tuple[str, EventKind], tuple[Term, dict[Variable, list[Term]]]] = {}

    def _plain_flags(self, goal: Goal) -> Iterator[Term]:
        """Flags that a goal remembers, of which nothing else is known."""
        for flag in self.columns_of(goal.ghosts):
            if self._above.get(flag) == () and self.encoder.columns[self.graph.name(flag)].below is None:
                yield flag

    def mentioned(self, terms: Iterable[Term]) -> tuple[Term, ...]:
        """The columns of the state that terms mention."""
        return tuple(self.graph.named_by(self.graph.inputs_of(terms) & self._state))

    def columns_of(self, variables: Iterable[Variable]) -> tuple[Term, ...]:
        """The columns of variables."""
        return tuple(column for variable in variables for column in self._columns[variable])

    def begins_with(self, goal: Goal) -> tuple[Term, ...]:
        """The columns that a picture of a goal keeps in any case: where all stands, what it remembers and reads, and
        flags that say whether a queue that it looks at was tried in the turn, since then it may not leave again."""
        read = {read.variable for watch in goal.watches for read in _reads(watch)}
        whole = (STARTED, OVER, TURN_OPEN, TRANSFERRING)
        columns = self.columns_of(v for v in self.encoder.infos if v in read or v in goal.ghosts or v in whole)
        moments = {watch.moment for watch in goal.watches}
        escalations = [m for m in moments if isinstance(m, Leaving) and m.kind is ActKind.ESCALATE]
        queues = {tried(name) for moment in escalations for name in moment.names}
        first = (self._columns[v][0] for v in self.encoder.infos if v in queues)
        return (*columns, *(column for column in first if self.graph.sort[column] is Sort.BOOL))

    def rank(self, column: Term) -> int:
        """How far from the point a column is, as a thing to keep: where all stands, what is open, single calls."""
        variable, _ = self.place[column]
        if variable in (STARTED, OVER, TURN_OPEN, TRANSFERRING):
            return 0
        return 2 if variable not in self.encoder.infos or self.encoder.layouts[variable].places else 1

    def initial(self, column: Term) -> Term:
        """The value of a column before `start`."""
        if column not in self._initial:
            variable, _ = self.place[column]
            begins = self.encoder.flat(variable, self.encoder.initial(variable))
            self._initial |= zip(self._columns[variable], begins, strict=True)
        return self._initial[column]

    def coming(self, kind: EventKind) -> Coming:
        """When an event of the kind can come, and what is so then."""
        if kind not in self._comes:
            step = self.encoder.step(kind)
            started = scalar(self.encoder.state[STARTED]) if kind in self._needing_start else TRUE
            comes = self._without_never(self.graph.and_(step.possible, step.ordered, started))
            self._comes[kind] = coming(self.graph, comes, self._known, self._above, self._open_turn)
        return self._comes[kind]

    def forget(self, kind: EventKind) -> None:
        """What was worked out of the steps on a kind, which will not be asked for again; it takes much memory."""
        self._comes.pop(kind, None)
        self._rewriting.pop(kind, None)

    def comes(self, kind: EventKind) -> Term:
        """Whether an event of the kind can come."""
        return self.coming(kind).comes

    def misses(self, kind: EventKind, goal: Goal) -> Term:
        """Whether a step misses a goal; only where it comes."""
        if goal.asked:
            return self._known_at(kind, dict(goal.asked).get(kind, FALSE))
        if goal.name not in STEP_CHECKS:
            return self._judge(goal, kind)[0]
        cases = self.encoder.step(kind).broken[goal.name]
        if goal.case is None:
            return self._known_at(kind, self.graph.or_(*cases))
        return self._known_at(kind, cases[goal.case[1]]) if kind == goal.case[0] else FALSE

    def after(self, kind: EventKind, column: Term) -> Term:
        """A column after a step that nothing stops."""
        variable, i = self.place[column]
        if variable in self._owner:
            return self._judge(self._owner[variable], kind)[1][variable][i]
        if (kind, variable) not in self._after:
            self._after[kind, variable] = self._flat(kind, variable, self.encoder.step(kind).wanted.final[variable])
        return self._after[kind, variable][i]

    def changed(self, kind: EventKind) -> dict[Term, Term]:
        """The flags that a step may change, with what they are after it; without what goals remember."""
        after = dict(self._led_to(kind, self._rewritten(kind).items()))
        never = dict.fromkeys(self.never, FALSE)
        return {column: then for column, then in after.items() if then not in (column, never.get(column))}

    def leans_on(self, kind: EventKind, columns: Iterable[Term]) -> frozenset[Clause]:
        """The facts behind how an event of a kind comes, what it changes, and what is known of these columns then."""
        step, then, columns = self.encoder.step(kind), self._rewritten(kind), set(columns)
        raw = [step.possible, step.ordered, *then.values()]
        never = replaced(self.graph, raw, self._without) | (self.never & columns)
        about = self.mentioned(self._without_never(term) for term in raw)
        here, gathered = self.coming(kind), frozenset[Clause]()
        if here.gathered is not None and self._open_turn is not None:
            columns |= self._open_turn.here | self._open_turn.parts
            gathered = here.gathered.by
        reasons = here.follows.reasons(columns.union(then, about))
        return reasons.union(gathered, (((flag, False),) for flag in never))

    def _rewritten(self, kind: EventKind) -> dict[Term, Term]:
        """The flags that a step may change, as far as nothing is known, with what they are after it."""
        if kind not in self._rewriting:
            final, opening = self.encoder.step(kind).wanted.final, self.encoder.program.events[kind].opening
            if opening not in self._opened:
                self._opened[opening] = self._changes(final.first)
            of_rules = set(self.columns_of(final.changed))
            opened = {c: then for c, then in self._opened[opening].items() if c not in of_rules}
            self._rewriting[kind] = {**opened, **self._changes(final.changed)}
        return self._rewriting[kind]

    def _changes(self, after: Mapping[Variable, Symbol]) -> dict[Term, Term]:
        """The flags of variables that are something else than in the state, with what they are."""
        state, flag = self.encoder.state, self.graph.sort
        pairs = (
            pair
            for variable, then in after.items()
            if then != state[variable]
            for pair in zip(self._columns[variable], self.encoder.flat(variable, then), strict=True)
        )
        return {c: then for c, then in pairs if then != c and flag[c] is Sort.BOOL}

    def _flat(self, kind: EventKind, variable: Variable, then: Symbol) -> list[Term]:
        """The columns of a variable after a step that leads to a symbol of it."""
        columns = zip(self._columns[variable], self.encoder.flat(variable, then), strict=True)
        return [after for _, after in self._led_to(kind, columns)]

    def _led_to(self, kind: EventKind, columns: Iterable[tuple[Term, Term]]) -> Iterator[tuple[Term, Term]]:
        """Columns with what they are after a step: themselves, where their value is known before it and is the same."""
        here, values = self.coming(kind), self.coming(kind).values
        for column, then in columns:
            after = here.simplified(self.graph, self._without_never(then))
            stays = column in values and after == (TRUE if values[column] else FALSE)
            yield column, column if stays else after

    def goes(self, kind: EventKind, without: Iterable[str]) -> Term:
        """Whether a step happens, where none of these other goals may be missed."""
        missed = [self.misses(kind, self.goals[name]) for name in without]
        return self.graph.and_(self.comes(kind), *map(self.graph.not_, missed)) if missed else self.comes(kind)

    def bad(self, kind: EventKind, goal: Goal, without: Iterable[str]) -> Term:
        """Whether a step comes and misses the goal; where it breaks what holds for every policy, nothing is judged."""
        first = [n for n in without if n in STEP_CHECKS and goal.name not in STEP_CHECKS]
        unstopped = [self.graph.not_(self.misses(kind, self.goals[n])) for n in first]
        return self.graph.and_(self.comes(kind), self.misses(kind, goal), *unstopped)

    def always(self, columns: tuple[Term, ...]) -> Term:
        """What is true of these columns in every state, by their types and by what is known of the program."""
        if columns not in self._always:
            typed = known_of(self.graph, columns, self.encoder.columns)
            self._always[columns] = self.graph.and_(*typed, *self._known.within(self.graph, columns))
        return self._always[columns]

    def _lower(self) -> Iterator[Clause]:
        """What the layout of the state makes true: a flag holds only where the one below it does."""
        for column in self.place:
            below = self.encoder.columns[self.graph.name(column)].below
            if below is not None:
                yield (column, False), (self.graph.var(below, Sort.BOOL), True)

    def _flags_above(self) -> dict[Term, tuple[Term, ...]]:
        """The flags of the state, each with those that hold only where it does."""
        above: dict[Term, tuple[Term, ...]] = {c: () for c in self.place if self.graph.sort[c] is Sort.BOOL}
        for column in reversed(above):
            below = self.encoder.columns[self.graph.name(column)].below
            if below is not None:
                lower = self.graph.var(below, Sort.BOOL)
                above[lower] = (*above[lower], column, *above[column])
        return above

    def _without_never(self, term: Term) -> Term:
        """The term where flags that never hold do not."""
        found = self._without.get(term)
        return substituted(self.graph, [term], self._without)[0] if found is None else found

    def _known_at(self, kind: EventKind, term: Term) -> Term:
        """The term where an event of the kind comes."""
        return self.coming(kind).simplified(self.graph, self._without_never(term))

    def _judge(self, goal: Goal, kind: EventKind) -> tuple[Term, dict[Variable, list[Term]]]:
        if (goal.name, kind) not in self._judged:
            step = self.encoder.step(kind)
            broken, after = self.encoder.judged(step, step.wanted, goal.watches, goal.ghosts)
            columns = {variable: self._flat(kind, variable, then) for variable, then in after.items()}
            self._judged[goal.name, kind] = self._known_at(kind, broken), columns
        return self._judged[goal.name, kind]
