"""The meaning of a program: `step` says what one event does to a conversation. Everything else is judged against it.

It walks the program's trees, one clause and one watch at a time, with nothing clever in it. The stages of a step:

    environment → opening → arrival → rules → acts → watches → closing

What the rules want is judged as a whole; if any of it is broken, the safe stop takes its place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from charter.dsl.program import (
    LEAVING_RANK,
    OVER,
    SAFE_STOPS,
    TURN_OPEN,
    Act,
    ActKind,
    ActSite,
    And,
    Arithmetic,
    Arrival,
    Changed,
    Clause,
    Closing,
    Compare,
    Comparison,
    Const,
    Contains,
    Event,
    EventKind,
    Expr,
    Finished,
    Its,
    Known,
    Leaving,
    Lifetime,
    Make,
    Moment,
    Not,
    Opening,
    Operation,
    Or,
    Part,
    Program,
    Read,
    Role,
    Settled,
    Size,
    State,
    Text,
    Variable,
    Watch,
    With,
    Without,
    exhausted,
    type_of,
    used,
)
from charter.dsl.types import Value, inhabits
from charter.dsl.values import spell


@dataclass(frozen=True, slots=True)
class Broken:
    """A requirement (or built-in) that the step as the rules wanted it would break, and how."""

    requirement: str
    detail: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step did.

    `old` is what rules read as old values. `fired` and `overridden` are rules in the order of the program. `broken` is
    what the rules would have broken: if it is not empty, the safe stop replaced what they wanted, and `acts` are its.
    `dropped` says why an event was not taken; then nothing happened.
    """

    state: State
    acts: tuple[Act, ...] = ()
    fired: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()
    broken: tuple[Broken, ...] = ()
    dropped: str | None = None
    old: State = field(default_factory=dict)


def step(program: Program, state: State, event: Event) -> Outcome:
    """What `event` does to a conversation in `state`."""
    if not possible(program, state, event):
        return Outcome(state, dropped=f"`{event.kind}` cannot come now")
    old = _arrive(program, _open(program, state, event), event)
    values, fired, overridden, conflicts = _fire(program, old, event)
    ended_before = bool(state[OVER])
    acts: tuple[Act, ...] = ()
    excluded: list[Broken] = []
    judged: list[tuple[str, tuple[Watch, ...]]] = []
    if not ended_before:  # else it is a settlement, of which only what it writes remains
        acts, excluded = _leave(program, old, values, event, fired)
        judged = _judged(program)
    rules = tuple(clause.rule for clause in fired)
    broken = conflicts + _out_of_range(program, values) + excluded
    if not broken:
        final, broken = _observe(program, old, values, event, acts, judged)
        if not broken:
            return Outcome(final, acts, rules, overridden, (), None, old)
    acts = () if ended_before or program.events[event.kind].ends else _safe_stop(program, old)
    values = dict(old) | {SAFE_STOPS: min(2, _count(old[SAFE_STOPS]) + 1)}
    final, _ = _observe(program, old, values, event, acts, judged)
    return Outcome(final, acts, rules, overridden, tuple(broken), None, old)


def possible(program: Program, state: State, event: Event) -> bool:
    """Whether the environment lets this event come in this state; it is the same list that proofs assume."""
    info = program.events[event.kind]
    return evaluate(info.possible, _Scope(state, state, event.fields, event.now)) is True


def trusted(program: Program, state: State, event: Event) -> bool:
    """Whether what the policy assumes of this event holds; where it does not, the event is a failure instead."""
    assumed = program.assumptions.get(event.kind)
    return assumed is None or evaluate(assumed, _Scope(state, state, event.fields, event.now)) is True


def attempt(program: Program, state: State, act: Act, now: int) -> tuple[Broken, ...]:
    """What would be broken if the rules did `act` now, all else unchanged; nothing happens."""
    acts, excess = _within_bounds(program, state, [act])
    nothing = Event(EventKind("attempt"), {}, now)
    _, broken = _observe(program, state, state, nothing, tuple(acts), _judged(program), closes=False)
    return (*excess, *broken)


def replays(program: Program, events: Iterable[Event]) -> list[Outcome]:
    """The outcomes of a whole conversation, one for each event, from the initial state."""
    outcomes, state = [], program.initial
    for event in events:
        outcomes.append(step(program, state, event))
        state = outcomes[-1].state
    return outcomes


# --- opening and arrival ---------------------------------------------------------------------------------------------


def _open(program: Program, state: State, event: Event) -> dict[Variable, Value]:
    resets = {Lifetime.STEP}
    if not state[TURN_OPEN] and program.events[event.kind].opening is not Opening.JOINS:
        resets.add(Lifetime.TURN)
    reset = {name: info.initial for name, info in program.variables.items() if info.lifetime in resets}
    return {**state, **reset, TURN_OPEN: True}


def _arrive(program: Program, opened: State, event: Event) -> dict[Variable, Value]:
    scope = _Scope(opened, opened, event.fields, event.now)
    arrived = {name: evaluate(value, scope) for name, value in program.events[event.kind].arrives}
    return {**opened, **arrived}


# --- rules -----------------------------------------------------------------------------------------------------------


def _fire(
    program: Program, old: State, event: Event
) -> tuple[dict[Variable, Value], list[Clause], tuple[str, ...], list[Broken]]:
    """The facts after all rules, the clauses that fired, the rules overridden, and conflicting writes."""
    values = dict(old)
    fired: list[Clause] = []
    overridden: list[str] = []
    conflicts: list[Broken] = []
    writer: dict[Variable, str] = {}
    for stratum in program.strata[event.kind]:
        scope = _Scope(old, dict(values), event.fields, event.now)
        names = {clause.rule for clause in fired}
        for clause in stratum:
            if not evaluate(clause.guard, scope):
                continue
            if not names.isdisjoint(clause.overridden_by):
                overridden.append(clause.rule)
                continue
            fired.append(clause)
            for write in clause.writes:
                value = evaluate(write.value, scope)
                if write.variable in writer and values[write.variable] != value:
                    rules = f"`{writer[write.variable]}` and `{clause.rule}`"
                    conflicts.append(Broken("no conflict", f"{rules} write different values to `{write.variable}`"))
                writer.setdefault(write.variable, clause.rule)
                values[write.variable] = value
    place = {rule: i for i, rule in enumerate(program.rules)}
    fired.sort(key=lambda clause: place[clause.rule])
    return values, fired, tuple(sorted(overridden, key=place.__getitem__)), conflicts


def _out_of_range(program: Program, values: State) -> list[Broken]:
    return [
        Broken("in range", f"`{name}` would be {spell(values[name], info.type)}")
        for name, info in program.variables.items()
        if info.role is Role.FACT and not inhabits(values[name], info.type)
    ]


# --- acts ------------------------------------------------------------------------------------------------------------


def _leave(
    program: Program, old: State, values: State, event: Event, fired: list[Clause]
) -> tuple[tuple[Act, ...], list[Broken]]:
    """The acts that leave, in leaving order, and those that exclude each other."""
    # A rule reads only what is written before its stratum, or its own writes as old values: `old` is marked on those
    # reads, so the final values are the right ones for every act.
    scope = _Scope(old, values, event.fields, event.now)
    sites = [site for clause in fired for site in clause.acts]
    sites.sort(key=lambda site: (LEAVING_RANK[site.kind], site.place))
    acts: list[Act] = []
    for site in sites:
        _add(acts, _act(site, scope))
    kinds = {act.kind for act in acts}
    if kinds & {ActKind.ESCALATE, ActKind.END}:
        acts = [act for act in acts if act.kind not in (ActKind.ASK, ActKind.COLLECT)]
    acts, excess = _within_bounds(program, old, acts)
    return tuple(acts), _exclusions(program, acts) + excess


def _act(site: ActSite, scope: "_Scope") -> Act:
    args = tuple((name, evaluate(value, scope)) for name, value in site.args)
    reasons = () if site.reason is None else (str(evaluate(site.reason, scope)),)
    return Act(site.kind, site.name, args, reasons)


def _add(acts: list[Act], new: Act) -> None:
    """Equal acts are one act, with the reasons of all."""
    for i, act in enumerate(acts):
        if act.identity == new.identity:
            acts[i] = replace(act, reasons=act.reasons + tuple(r for r in new.reasons if r not in act.reasons))
            return
    acts.append(new)


def _within_bounds(program: Program, old: State, acts: list[Act]) -> tuple[list[Act], list[Broken]]:
    """Asks and calls beyond their bound do not leave: the first of a turn is EXHAUSTED, a further one is excess."""
    uses = {name: agent.uses for name, agent in program.agents.items()}
    uses |= {name: tool.uses for name, tool in program.tools.items()}
    spent = {name: _count(old[used(name)]) for name in uses}
    out = {name: bool(old[exhausted(name)]) for name in uses}
    leaving, excess = [], []
    for act in acts:
        if act.kind not in (ActKind.ASK, ActKind.CALL):
            leaving.append(act)
        elif spent[act.name] < uses[act.name]:
            spent[act.name] += 1
            leaving.append(act)
        elif not out[act.name]:
            out[act.name] = True
            leaving.append(replace(act, kind=ActKind.EXHAUSTED))
        else:
            excess.append(Broken("within bounds", f"`{act.kind} {act.name}` again, beyond its bound of this turn"))
    return leaving, excess


def _exclusions(program: Program, acts: list[Act]) -> list[Broken]:
    broken = []
    for kind in (ActKind.ESCALATE, ActKind.COLLECT):
        names = [act.name for act in acts if act.kind is kind]
        if len(names) > 1:
            broken.append(Broken("no excluded acts", " with ".join(f"`{kind} {name}`" for name in names)))
    if any(act.kind is ActKind.END for act in acts):
        for act in acts:
            if act.kind is ActKind.ESCALATE or (act.kind is ActKind.CALL and program.tools[act.name].writes):
                broken.append(Broken("no excluded acts", f"`end` with `{act.kind} {act.name}`"))
    return broken


def _safe_stop(program: Program, old: State) -> tuple[Act, ...]:
    """To a person the first time, without speech; the end of the conversation the second time."""
    if old[SAFE_STOPS]:
        return (Act(ActKind.END, "", (), ("safe stop",)),)
    return (Act(ActKind.ESCALATE, program.fallback, (), ("safe stop",)),)


# --- watches ---------------------------------------------------------------------------------------------------------


def _observe(
    program: Program,
    old: State,
    values: State,
    event: Event,
    acts: tuple[Act, ...],
    judged: list[tuple[str, tuple[Watch, ...]]],
    closes: bool = True,
) -> tuple[State, list[Broken]]:
    """The state after all moments of the step, and the requirements that they break, each once."""
    watching = [("", program.bookkeeping), *judged]
    state: dict[Variable, Value] = dict(values)
    broken: dict[str, Broken] = {}

    def at(moment: Moment, its: Mapping[str, Value]) -> None:
        scope = _Scope(old, state, its, event.now)
        for requirement, watches in watching:
            for watch in watches:
                if not _sees(watch.moment, moment) or not evaluate(watch.when, scope):
                    continue
                if evaluate(watch.broken, scope):
                    broken.setdefault(requirement, Broken(requirement, _spelled(moment)))
                state.update([(name, evaluate(value, scope)) for name, value in watch.updates])

    at(Arrival(frozenset({event.kind})), event.fields)
    for name in program.variables:
        if old[name] != values[name]:
            at(Changed(name), event.fields)
    at(Settled(), event.fields)
    for act in acts:
        at(Leaving(act.kind, frozenset({act.name})), dict(act.args))
    at(Finished(), event.fields)
    if closes and (state[OVER] or not evaluate(program.waiting, _Scope(old, state, event.fields, event.now))):
        at(Closing(), event.fields)
        state[TURN_OPEN] = False
    return state, list(broken.values())


def _judged(program: Program) -> list[tuple[str, tuple[Watch, ...]]]:
    return [(requirement.name, requirement.watches) for requirement in program.requirements]


def _sees(watched: Moment, moment: Moment) -> bool:
    """Whether a watch at `watched` observes `moment`, which names the one kind or act that it is of."""
    match watched, moment:
        case Arrival(kinds), Arrival(kind):
            return kind <= kinds
        case Leaving(watched_kind, names), Leaving(kind, name):
            return kind is watched_kind and name <= names
        case _:
            return watched == moment


def _spelled(moment: Moment) -> str:
    match moment:
        case Arrival(kinds):
            return f"on `{next(iter(kinds))}`"
        case Changed(variable):
            return f"at the change of `{variable}`"
        case Settled():
            return "after the rules"
        case Leaving(kind, names):
            return f"at `{' '.join([kind, *names]).strip()}`"
        case Finished():
            return "at the end of the step"
        case Closing():
            return "at the close of the turn"
        case _:
            assert_never(moment)


# --- expressions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scope:
    """What an expression can see: old and final variables, and the fields of what is observed."""

    old: State
    final: State
    its: Mapping[str, Value]
    now: int


def constant(expr: Expr, state: State) -> Value:
    """The value of an expression that mentions nothing but the state."""
    return evaluate(expr, _Scope(state, state, {}, 0))


def evaluate(expr: Expr, scope: _Scope) -> Value:
    """The value of an expression. `and` and `or` go from left to right and stop when they know."""
    match expr:
        case Const(value):
            return value
        case Read(variable, _, old):
            return (scope.old if old else scope.final)[variable]
        case Its(name):
            return scope.now if name == "now" else scope.its[name]
        case Part(of, index):
            return _tuple(evaluate(of, scope))[index]
        case Make(_, parts):
            return tuple(evaluate(part, scope) for part in parts)
        case Known(of):
            return evaluate(of, scope) is not None
        case Not(of):
            return not evaluate(of, scope)
        case And(parts):
            return all(evaluate(part, scope) for part in parts)
        case Or(parts):
            return any(evaluate(part, scope) for part in parts)
        case Compare(op, left, right):
            return _compare(op, evaluate(left, scope), evaluate(right, scope))
        case Arithmetic(op, left, right):
            return _arithmetic(op, _count(evaluate(left, scope)), _count(evaluate(right, scope)))
        case Contains(bag, item):
            return evaluate(item, scope) in _tuple(evaluate(bag, scope))
        case Size(bag):
            return len(_tuple(evaluate(bag, scope)))
        case With(bag, item):
            return (*_tuple(evaluate(bag, scope)), evaluate(item, scope))
        case Without(bag, item):
            return _without(_tuple(evaluate(bag, scope)), evaluate(item, scope))
        case Text(parts):
            return "".join(p if isinstance(p, str) else spell(evaluate(p, scope), type_of(p)) for p in parts)
        case _:
            assert_never(expr)


def _compare(op: Comparison, left: Value, right: Value) -> bool:
    match op:
        case Comparison.EQ:
            return left == right
        case Comparison.NE:
            return left != right
        case Comparison.LT:
            return _count(left) < _count(right)
        case Comparison.LE:
            return _count(left) <= _count(right)
        case Comparison.GT:
            return _count(left) > _count(right)
        case Comparison.GE:
            return _count(left) >= _count(right)
        case _:
            assert_never(op)


def _arithmetic(op: Operation, left: int, right: int) -> int:
    match op:
        case Operation.ADD:
            return left + right
        case Operation.SUB:
            return left - right
        case Operation.MUL:
            return left * right
        case _:
            assert_never(op)


def _without(bag: tuple[Value, ...], item: Value) -> tuple[Value, ...]:
    if item not in bag:
        return bag
    at = bag.index(item)
    return bag[:at] + bag[at + 1 :]


def _count(value: Value) -> int:
    """A value that the checker has shown to be a known whole number."""
    if not isinstance(value, int):
        raise TypeError(f"not a known number: {value!r}")
    return value


def _tuple(value: Value) -> tuple[Value, ...]:
    """A value that the checker has shown to be a known record or a bag."""
    if not isinstance(value, tuple):
        raise TypeError(f"not a known record: {value!r}")
    return value
