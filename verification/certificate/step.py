"""What one event does to a conversation, as terms: the second translation of `dsl/semantics.py`.

    environment → opening → arrival → rules → acts → watches → closing

A step is followed where nothing stops it. Where the safe stop would take its place, the certificate fails: that nothing
is ever broken is what is checked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from charter.dsl.program import (
    CHANGES,
    CLOSING,
    FINISHED,
    IN_RANGE,
    NO_CONFLICT,
    NO_EXCLUDED,
    OVER,
    SETTLED,
    TURN_OPEN,
    WITHIN_BOUNDS,
    ActSite,
    Changed,
    Clause,
    EventInfo,
    EventKind,
    Lifetime,
    Opening,
    Program,
    Role,
    Seen,
    Variable,
    Watch,
    arrival,
    type_of,
    unchecked,
)
from charter.verification.certificate.acts import Act, excluded, wanted, within_bounds
from charter.verification.certificate.columns import Columns, chosen, equal, inhabited, shaped
from charter.verification.certificate.expressions import Expressions, Scope
from charter.verification.certificate.order import CLOCK, due, in_order, owed_after
from charter.verification.certificate.script import FALSE, TRUE, Term
from charter.verification.certificate.world import World


@dataclass(frozen=True, slots=True)
class Step:
    """An event of one kind. `comes`: it can come in the state before it, if all these hold.

    `stopped`: what it breaks of what holds for every policy; `broken`: of the requirements, where nothing stops it.
    `after`: the state that it leads to where nothing is broken.
    """

    comes: Sequence[Term]
    stopped: Mapping[str, Term]
    broken: Mapping[str, Term]
    after: Mapping[Variable, Columns]


def step(world: World, kind: EventKind, state: Mapping[Variable, Columns]) -> Step:
    """What an event of that kind does in a state."""
    program, write = world.program, world.write
    script, info = world.script, program.events[kind]
    fields, now = world.fields(kind), world.now(kind)
    before = Scope(state, state, fields, now)
    old = _arrived(write, info, _opened(world, info, state), fields, now)
    fired = _Fired(write, old, Scope(old, old, fields, now))
    for stratum in program.strata[kind]:
        fired.stratum(world, stratum)
    over = state[OVER][""]
    sites = [(site, fires) for clause, fires in fired.clauses for site in clause.acts]
    final = Scope(old, fired.values, fields, now)
    acts = wanted(write, program, sites, final, script.not_(over))
    acts, excess = within_bounds(script, program, acts, old)
    stopped = {
        NO_CONFLICT: script.or_(fired.conflicts),
        IN_RANGE: script.or_(
            (
                *(_out_of_range(world, fired, name) for name in fired.writers),
                script.and_((script.not_(over), _outside(world, sites, final))),
            )
        ),
        NO_EXCLUDED: excluded(script, program, acts),
        WITHIN_BOUNDS: excess,
    }
    watching = _Watching(write, program, old, dict(fired.values), now, judged=script.not_(over))
    _observe(watching, kind, fields, fired, acts)
    owed = due(write, program, before)
    comes = [*world.within(kind), write.holds(info.possible, before), *in_order(write, program, kind, before, owed)]
    after = {**watching.state, CLOCK: {"": now}, **owed_after(write, program, kind, before, owed, acts)}
    broken = {name: script.or_(found) for name, found in watching.broken.items()}
    return Step(comes, stopped, broken, after)


# --- opening and arrival ---------------------------------------------------------------------------------------------


def _opened(world: World, info: EventInfo, state: Mapping[Variable, Columns]) -> dict[Variable, Columns]:
    script = world.script
    opens = FALSE if info.opening is Opening.JOINS else script.not_(state[TURN_OPEN][""])
    resets = {Lifetime.STEP: TRUE, Lifetime.TURN: opens, Lifetime.CONVERSATION: FALSE}
    opened = dict(state)
    for name, variable in world.program.variables.items():
        opened[name] = chosen(script, resets[variable.lifetime], world.initial[name], state[name])
    opened[TURN_OPEN] = {"": TRUE}
    return opened


def _arrived(
    write: Expressions,
    info: EventInfo,
    opened: Mapping[Variable, Columns],
    fields: Mapping[str, Columns],
    now: Term,
) -> dict[Variable, Columns]:
    scope = Scope(opened, opened, fields, now)
    return {**opened, **{name: shaped(write.value(value, scope), opened[name]) for name, value in info.arrives}}


# --- rules -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Fired:
    """The rules so far: the facts as they left them, which of them fire, and where two write different values."""

    write: Expressions
    values: dict[Variable, Columns]
    scope: Scope
    clauses: list[tuple[Clause, Term]] = field(default_factory=list)
    conflicts: list[Term] = field(default_factory=list)
    writers: dict[Variable, list[Term]] = field(default_factory=dict)

    def stratum(self, world: World, clauses: Iterable[Clause]) -> None:
        """The clauses of one stratum, which read what was written before it."""
        script, write = world.script, self.write
        old, its, now = self.scope.old, self.scope.its, self.scope.now
        scope = Scope(old, dict(self.values), its, now)
        earlier: dict[str, list[Term]] = {}
        for clause, fires in self.clauses:
            earlier.setdefault(clause.rule, []).append(fires)
        self.values = dict(self.values)
        for clause in clauses:
            overridden = script.or_(fires for rule in clause.overridden_by for fires in earlier.get(rule, ()))
            fires = script.and_((write.holds(clause.guard, scope), script.not_(overridden)))
            self.clauses.append((clause, fires))
            for written in clause.writes:
                name = written.variable
                value = shaped(write.value(written.value, scope), self.values[name])
                wrote = self.writers.setdefault(name, [])
                differs = script.not_(equal(script, world.program.variables[name].type, self.values[name], value))
                self.conflicts.append(script.and_((fires, script.or_(wrote), differs)))
                wrote.append(fires)
                self.values[name] = chosen(script, fires, value, self.values[name])


def _out_of_range(world: World, fired: _Fired, name: Variable) -> Term:
    info, script = world.program.variables[name], world.script
    if info.role is not Role.FACT:
        return FALSE
    within = inhabited(script, world.numbering, info.type, fired.values[name])
    return script.and_((script.or_(fired.writers[name]), script.not_(within)))


def _outside(world: World, sites: Iterable[tuple[ActSite, Term]], scope: Scope) -> Term:
    """Whether an argument that is computed leaves the range of its type."""
    script = world.script
    found: list[Term] = []
    for site, fires in sites:
        for value in (value for _, value in site.args if unchecked(value)):
            within = inhabited(script, world.numbering, type_of(value), world.write.value(value, scope))
            found.append(script.and_((fires, script.not_(within))))
    return script.or_(found)


# --- watches ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Watching:
    """The moments of a step so far: the state as the watches left it, and what each requirement holds against it."""

    write: Expressions
    program: Program
    old: Mapping[Variable, Columns]
    state: dict[Variable, Columns]
    now: Term
    judged: Term
    changed: dict[Variable, Term] = field(default_factory=dict)
    broken: dict[str, list[Term]] = field(default_factory=dict)

    def at(self, moment: Seen, comes: Term, its: Mapping[str, Columns]) -> None:
        """What the watches at a moment do, where it comes."""
        for requirement, watch in self.program.watches.get(moment, ()):
            changed = self.changed.get(watch.moment.variable, FALSE) if isinstance(watch.moment, Changed) else TRUE
            here = self.write.script.and_((comes, changed, TRUE if requirement is None else self.judged))
            if here != FALSE:
                self._see(requirement, watch, here, its)

    def _see(self, requirement: str | None, watch: Watch, here: Term, its: Mapping[str, Columns]) -> None:
        write, script = self.write, self.write.script
        scope = Scope(self.old, self.state, its, self.now)
        here = script.and_((here, write.holds(watch.when, scope)))
        if requirement is not None:
            self.broken.setdefault(requirement, []).append(script.and_((here, write.holds(watch.broken, scope))))
        updates = {name: shaped(write.value(value, scope), self.state[name]) for name, value in watch.updates}
        for name, value in updates.items():
            self.state[name] = chosen(script, here, value, self.state[name])


def _observe(
    watching: _Watching, kind: EventKind, fields: Mapping[str, Columns], fired: _Fired, acts: Iterable[Act]
) -> None:
    script, program = watching.write.script, watching.program
    watching.at(arrival(kind), TRUE, fields)
    for name, info in program.variables.items():
        if name in fired.writers:
            same = equal(script, info.type, watching.old[name], fired.values[name])
            watching.changed[name] = script.not_(same)
    watching.at(CHANGES, TRUE, fields)
    watching.at(SETTLED, TRUE, fields)
    for act in acts:
        watching.at((act.kind.value, act.name), act.leaves, act.args)
    watching.at(FINISHED, TRUE, fields)
    scope = Scope(watching.old, watching.state, fields, watching.now)
    waits = script.and_((watching.write.holds(program.waiting, scope), script.not_(watching.state[OVER][""])))
    watching.at(CLOSING, script.not_(waits), fields)
    still_open = script.and_((watching.state[TURN_OPEN][""], waits))
    watching.state[TURN_OPEN] = {"": still_open}
