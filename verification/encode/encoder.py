"""A program as terms: for each kind of event one straight-line function from the state and the event to the next state.

The stages are those of `dsl/semantics.py`, written a second time for every state at once:

    environment → opening → arrival → rules → acts → watches → closing

What the rules want is followed to its end (`wanted`), and so is the safe stop (`stopped`); a step takes the second
course where anything is broken. What requirements remember is no part of a course: `judged` follows one along it.
"""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from charter.dsl import program as p
from charter.dsl.program import (
    IN_RANGE,
    NO_CONFLICT,
    NO_EXCLUDED,
    OVER,
    SAFE_STOPS,
    TURN_OPEN,
    WITHIN_BOUNDS,
    Changed,
    EventKind,
    Lifetime,
    Opening,
    Program,
    Role,
    Variable,
    Watch,
)
from charter.dsl.types import TIME, TIME_MIN, BagType, RecordType, Type
from charter.verification.encode.acts import Leaving, acts_of, exclusions, outside, safe_stop, within_bounds
from charter.verification.encode.expressions import Scope, condition, encoded
from charter.verification.encode.order import CLOCK, dues, ordered, owed_after, owed_answers
from charter.verification.encode.symbols import (
    Column,
    Layout,
    Symbol,
    choose,
    columns,
    constant,
    equal,
    fitted,
    flat,
    inhabited,
    least,
    scalar,
    symbol,
)
from charter.verification.encode.terms import FALSE, TRUE, Graph, Term

NOTHING: Mapping[Variable, Term] = {}
UNCERTAIN_PLACES = 2  # uncertain calls that are known one by one; what comes beyond them may be any


@dataclass(frozen=True, slots=True)
class Values(Mapping[Variable, Symbol]):
    """What the variables are at a place of a step: as they were at first, but for those that changed since.

    There are many places, and at each of them few variables have changed.
    """

    first: Mapping[Variable, Symbol]
    changed: Mapping[Variable, Symbol]

    def __getitem__(self, name: Variable) -> Symbol:
        found = self.changed.get(name)
        return self.first[name] if found is None else found

    def __iter__(self) -> Iterator[Variable]:
        return iter(self.first)

    def __len__(self) -> int:
        return len(self.first)

    def having(self, changes: Mapping[Variable, Symbol]) -> "Values":
        """The variables after these changes."""
        return Values(self.first, {**self.changed, **changes}) if changes else self


@dataclass(frozen=True, slots=True)
class Seen:
    """A moment of a course: whether it comes, the fields that are seen, and the variables as the books left them.

    For the moment of all changes, `changed` says of each fact whether it has changed.
    """

    moment: p.Seen
    comes: Term
    its: Mapping[str, Symbol]
    state: Values
    changed: Mapping[Variable, Term]

    def comes_for(self, watch: Watch) -> Term:
        """Whether the moment comes for a watch at it."""
        return self.changed.get(watch.moment.variable, FALSE) if isinstance(watch.moment, Changed) else self.comes


@dataclass(frozen=True, slots=True)
class Course:
    """The moments of a step in their order, and the variables after it, all but the ghosts."""

    seen: tuple[Seen, ...]
    final: Values


@dataclass(frozen=True, slots=True)
class Fired:
    """The facts after all rules, whether each clause fires, and whether two write different values, write by write."""

    values: Values
    clauses: tuple[tuple[p.Clause, Term], ...]
    conflicts: tuple[Term, ...]
    written: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What an event of one kind does.

    `possible` is the environment of the program; `ordered` what is true of the order of a conversation besides. `old`
    is what rules read as old. `broken` has what the rules may not do in any policy, case by case.
    """

    kind: EventKind
    fields: Mapping[str, Symbol]
    now: Term
    possible: Term
    ordered: Term
    old: Values
    fired: Fired
    acts: tuple[Leaving, ...]
    broken: Mapping[str, tuple[Term, ...]]
    wanted: Course


class Encoder:
    """The steps of a program over one graph, each made when it is first asked for.

    `rows`: small numbers of the state are rows of flags; otherwise numbers.
    """

    def __init__(
        self,
        program: Program,
        ghosts: Mapping[Variable, p.VariableInfo] | None = None,
        graph: Graph | None = None,
        *,
        rows: bool = True,
    ) -> None:
        self.program = program
        self.graph = graph or Graph()
        self.infos = {**program.variables, **(ghosts or {})}
        self.owed = owed_answers(program)
        self._rows = rows
        self.layouts: dict[Variable, Layout] = {n: self._layout(n, info.type) for n, info in self.infos.items()}
        self.layouts[CLOCK] = Layout(TIME)
        self.layouts |= {name: Layout(type_, 0, rows) for owed in self.owed for name, type_ in owed.variables}
        self.columns: dict[str, Column] = {}
        self.state = {name: self._variables(str(name), layout) for name, layout in self.layouts.items()}
        self.awaited = condition(self.graph, program.waiting, Scope(self.state, self.state, {}, TRUE))
        self._dues = dues(self.graph, program, self.owed, self.state)
        self._flat: dict[tuple[Variable, Symbol], list[Term]] = {}
        self._opened: dict[Opening, dict[Variable, Symbol]] = {}
        self._books = _by_moment(program.bookkeeping)
        self._steps: dict[EventKind, Step] = {}

    def step(self, kind: EventKind) -> Step:
        """What an event of that kind does."""
        if kind not in self._steps:
            self._steps[kind] = self._step(kind)
        return self._steps[kind]

    def take(self, other: "Encoder", kinds: Iterable[EventKind]) -> None:
        """Takes the steps on these kinds, which are the same, from an encoder over a graph of which this has a copy."""
        self._steps |= {kind: other.step(kind) for kind in kinds}
        self.columns = {**other.columns, **self.columns}

    def initial(self, variable: Variable) -> Symbol:
        """The value of a variable before `start`."""
        graph, type_ = self.graph, self.layouts[variable].type
        if variable in self.infos:
            made = constant(graph, self.infos[variable].initial, type_)
            return self._padded(variable) if isinstance(type_, BagType) else fitted(made, type_)
        return constant(graph, next((o.initial(variable) for o in self.owed if o.has(variable)), TIME_MIN), type_)

    def flat(self, variable: Variable, of: Symbol) -> list[Term]:
        """The terms of the columns of a variable that has this value."""
        if (variable, of) not in self._flat:
            self._flat[variable, of] = flat(self.graph, self.layouts[variable], of)
        return self._flat[variable, of]

    def stopped(self, step: Step) -> Course:
        """The course of the safe stop in place of what the rules wanted."""
        graph, old = self.graph, step.old
        stops = graph.add(scalar(old[SAFE_STOPS]), graph.const(1))
        values = old.having({SAFE_STOPS: graph.ite(graph.above(stops, 2), graph.const(2), stops)})
        over = scalar(self.state[OVER])
        acts = [] if self.program.events[step.kind].ends else safe_stop(graph, self.program, old, graph.not_(over))
        return self._course(step.kind, step.fields, step.now, old, values, (), acts)

    def judged(
        self, step: Step, course: Course, watches: Iterable[Watch], ghosts: Iterable[Variable]
    ) -> tuple[Term, dict[Variable, Symbol]]:
        """Whether a requirement is broken along a course, and what it remembers after it."""
        graph = self.graph
        over = scalar(self.state[OVER])  # after the end nothing is judged
        after = {ghost: step.old[ghost] for ghost in ghosts}
        by_moment = _by_moment(watches)
        broken = []
        for seen in course.seen:
            here = by_moment.get(seen.moment, ())
            if not here or graph.and_(seen.comes, graph.not_(over)) == FALSE:
                continue
            scope = Scope(step.old, ChainMap(after, seen.state), seen.its, step.now)  # type: ignore[arg-type]  # read only
            for watch in here:
                at = graph.and_(seen.comes_for(watch), graph.not_(over), condition(graph, watch.when, scope))
                if at == FALSE:
                    continue
                broken.append(graph.and_(at, condition(graph, watch.broken, scope)))
                after.update(self._updated(watch, at, scope, after))
        return graph.or_(*broken), after

    # --- stages

    def _step(self, kind: EventKind) -> Step:
        graph, program, info = self.graph, self.program, self.program.events[kind]
        fields = {name: self._variables(f"{kind}: {name}", Layout(t, 0, False)) for name, t in info.fields}
        now = scalar(self._variables(f"{kind}: now", Layout(TIME)))
        before = Scope(self.state, self.state, fields, now)
        possible = condition(graph, info.possible, before)
        assumed = program.assumptions.get(kind)
        trusted = TRUE if assumed is None else condition(graph, assumed, before)
        order = ordered(graph, self._dues, kind, before)
        old = self._arrived(info, self._opened_by(info.opening), fields, now)
        fired = self._fired(kind, old, fields, now)
        over = scalar(self.state[OVER])
        scope = Scope(old, fired.values, fields, now)
        here = [(clause, graph.and_(fires, graph.not_(over))) for clause, fires in fired.clauses]
        acts = acts_of(graph, program, here, scope)
        acts, excess = within_bounds(graph, program, acts, old)
        broken = {
            NO_CONFLICT: fired.conflicts,
            IN_RANGE: (
                *(self._out_of_range(name, fired.values) for name in fired.written),
                *outside(graph, here, scope),
            ),
            NO_EXCLUDED: tuple(exclusions(graph, program, acts)),
            WITHIN_BOUNDS: tuple(excess),
        }
        wanted = self._course(kind, fields, now, old, fired.values, fired.written, acts)
        order = graph.and_(trusted, order)
        return Step(kind, fields, now, possible, order, old, fired, tuple(acts), broken, wanted)

    def _opened_by(self, opening: Opening) -> Mapping[Variable, Symbol]:
        """The state in which an event arrives: the turn is open, with resets where the event opens it."""
        if opening not in self._opened:
            graph = self.graph
            opens = FALSE if opening is Opening.JOINS else graph.not_(scalar(self.state[TURN_OPEN]))
            opened = dict(self.state)
            for name, variable in self.infos.items():
                if variable.lifetime is not Lifetime.CONVERSATION:
                    resets = TRUE if variable.lifetime is Lifetime.STEP else opens
                    opened[name] = choose(graph, resets, self.initial(name), self.state[name])
            self._opened[opening] = {**opened, TURN_OPEN: TRUE}
        return self._opened[opening]

    def _arrived(
        self, info: p.EventInfo, opened: Mapping[Variable, Symbol], fields: Mapping[str, Symbol], now: Term
    ) -> Values:
        scope = Scope(opened, opened, fields, now)
        arrived = {n: fitted(encoded(self.graph, v, scope), self.infos[n].type) for n, v in info.arrives}
        return Values(opened, arrived)

    def _fired(self, kind: EventKind, old: Values, fields: Mapping[str, Symbol], now: Term) -> Fired:
        graph = self.graph
        values = old
        fires: dict[str, Term] = {}
        clauses: list[tuple[p.Clause, Term]] = []
        wrote: dict[Variable, list[Term]] = {}
        conflicts: list[Term] = []
        for stratum in self.program.strata[kind]:
            scope = Scope(old, values, fields, now)
            before = dict(fires)
            for clause in stratum:
                overridden = graph.or_(*(before[rule] for rule in clause.overridden_by if rule in before))
                fire = graph.and_(condition(graph, clause.guard, scope), graph.not_(overridden))
                fires[clause.rule] = fire
                clauses.append((clause, fire))
                if fire == FALSE:
                    continue
                for write in clause.writes:
                    name = write.variable
                    value = fitted(encoded(graph, write.value, scope), self.infos[name].type)
                    both = graph.and_(fire, graph.or_(*wrote.get(name, ())))
                    if both != FALSE:
                        conflicts.append(graph.and_(both, graph.not_(equal(graph, values[name], value))))
                    wrote.setdefault(name, []).append(fire)
                    values = values.having({name: choose(graph, fire, value, values[name])})
        written = tuple(name for name in self.infos if name in wrote)
        return Fired(values, tuple(clauses), tuple(conflicts), written)

    def _out_of_range(self, name: Variable, values: Mapping[Variable, Symbol]) -> Term:
        if self.infos[name].role is not Role.FACT:
            return FALSE
        return self.graph.not_(inhabited(self.graph, values[name], self.infos[name].type))

    def _course(
        self,
        kind: EventKind,
        fields: Mapping[str, Symbol],
        now: Term,
        old: Values,
        values: Values,
        written: Iterable[Variable],
        acts: Iterable[Leaving],
    ) -> Course:
        graph = self.graph
        state = values
        seen: list[Seen] = []

        def at(
            moment: p.Seen, comes: Term, its: Mapping[str, Symbol], changed: Mapping[Variable, Term] = NOTHING
        ) -> None:
            nonlocal state
            if comes == FALSE:
                return
            came = Seen(moment, comes, its, state, changed)
            for watch in self._books.get(moment, ()):
                scope = Scope(old, state, its, now)
                holds = graph.and_(came.comes_for(watch), condition(graph, watch.when, scope))
                if holds != FALSE:
                    state = state.having(self._updated(watch, holds, scope, state))
            seen.append(replace(came, state=state))

        at(p.arrival(kind), TRUE, fields)
        changed = {name: graph.not_(equal(graph, old[name], values[name])) for name in written}
        at(p.CHANGES, graph.or_(*changed.values()), fields, changed)
        at(p.SETTLED, TRUE, fields)
        for act in acts:
            at((act.kind.value, act.name), act.leaves, act.args)
        at(p.FINISHED, TRUE, fields)
        waiting = condition(graph, self.program.waiting, Scope(old, state, fields, now))
        closes = graph.or_(scalar(state[OVER]), graph.not_(waiting))
        at(p.CLOSING, closes, fields)
        is_open = graph.and_(scalar(state[TURN_OPEN]), graph.not_(closes))
        owed = owed_after(graph, self._dues, kind, acts)
        return Course(tuple(seen), state.having({TURN_OPEN: is_open, CLOCK: now, **owed}))

    def _updated(
        self, watch: Watch, holds: Term, scope: Scope, now: Mapping[Variable, Symbol]
    ) -> dict[Variable, Symbol]:
        graph = self.graph
        values = {n: fitted(encoded(graph, value, scope), self.infos[n].type) for n, value in watch.updates}
        return {name: choose(graph, holds, value, now[name]) for name, value in values.items()}

    # --- variables

    def _layout(self, name: Variable, type_: Type) -> Layout:
        if not isinstance(type_, BagType):
            return Layout(type_, 0, self._rows)
        tool = self.program.tools.get(name.removeprefix("calls "))
        return Layout(type_, tool.uses + 1 if tool else UNCERTAIN_PLACES)

    def _padded(self, variable: Variable) -> Symbol:
        """The empty bag, with its places."""
        layout = self.layouts[variable]
        assert isinstance(layout.type, BagType)
        named = columns(layout, str(variable))
        filler = iter(flat(self.graph, Layout(layout.type.of, 0, False), _filler(self.graph, layout.type.of)))
        item = list(filler) * layout.places
        terms = [FALSE] * layout.places + item + [FALSE]
        assert len(terms) == len(named)
        return symbol(self.graph, layout, iter(terms))

    def _variables(self, name: str, layout: Layout) -> Symbol:
        """Fresh variables for the columns of a value."""
        made = []
        for column in columns(layout, name):
            var = self.graph.var(column.name, column.sort)
            self.columns[column.name] = column
            made.append(var)
        return symbol(self.graph, layout, iter(made))


def _filler(graph: Graph, type_: RecordType) -> Symbol:
    """Some record of a type."""
    return constant(graph, least(type_), type_)


def _by_moment(watches: Iterable[Watch]) -> dict[p.Seen, list[Watch]]:
    """The watches at each moment, in order."""
    found: dict[p.Seen, list[Watch]] = {}
    for watch in watches:
        for moment in p.seen_by(watch.moment):
            found.setdefault(moment, []).append(watch)
    return found
