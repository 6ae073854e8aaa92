"""The meaning of a program: `step` says what one event does to a conversation. Everything else is judged against it.

It walks the program's trees, one clause and one watch at a time, with nothing clever in it. The stages of a step:

    environment → opening → arrival → rules → acts → watches → closing

What the rules want is judged as a whole; if any of it is broken, the safe stop takes its place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from charter.dsl.evaluate import Scope, evaluate, number
from charter.dsl.program import (
    CHANGES,
    CLOSING,
    FINISHED,
    LEAVING_RANK,
    OVER,
    SAFE_STOPS,
    SETTLED,
    TURN_OPEN,
    Act,
    ActKind,
    ActSite,
    Changed,
    Clause,
    Event,
    EventKind,
    Lifetime,
    Opening,
    Program,
    Role,
    Seen,
    State,
    Variable,
    arrival,
    exhausted,
    tried,
    type_of,
    unchecked,
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
    settles = bool(state[OVER])  # a settlement after the end: of it, only what it writes remains
    acts, excluded = ((), []) if settles else _leave(program, old, values, event, fired)
    broken = [*conflicts, *_out_of_range(program, old, values), *excluded]
    if not broken:
        final, broken = _observe(program, old, values, event, acts, judged=not settles)
        if not broken:
            return Outcome(final, acts, tuple(clause.rule for clause in fired), overridden, (), None, old)
    stopped = safe_stop(program, state, event, tuple(broken))
    return replace(stopped, fired=tuple(clause.rule for clause in fired), overridden=overridden)


def safe_stop(program: Program, state: State, event: Event, broken: tuple[Broken, ...]) -> Outcome:
    """What replaces a step that cannot be taken: the event counts as received, and a person takes over, without speech;
    a second time the conversation ends. INVARIANT: watches on `escalate` and `end` mention no arguments."""
    old = _arrive(program, _open(program, state, event), event)
    acts: tuple[Act, ...] = (Act(ActKind.ESCALATE, program.fallback, (), ("safe stop",)),)
    if state[OVER] or program.events[event.kind].ends:
        acts = ()
    elif old[SAFE_STOPS]:
        acts = (Act(ActKind.END, "", (), ("safe stop",)),)
    values = {**old, SAFE_STOPS: min(2, number(old[SAFE_STOPS]) + 1)}
    final, _ = _observe(program, old, values, event, acts, judged=not state[OVER])
    return Outcome(final, acts, (), (), broken, None, old)


def possible(program: Program, state: State, event: Event) -> bool:
    """Whether the environment lets this event come in this state; it is the same list that proofs assume."""
    info = program.events[event.kind]
    return evaluate(info.possible, Scope(state, state, event.fields, event.now)) is True


def trusted(program: Program, state: State, event: Event) -> bool:
    """Whether what the policy assumes of this event holds; where it does not, the event is a failure instead."""
    assumed = program.assumptions.get(event.kind)
    return assumed is None or evaluate(assumed, Scope(state, state, event.fields, event.now)) is True


def attempt(program: Program, state: State, act: Act, now: int) -> tuple[Broken, ...]:
    """What would be broken if the rules did `act` now, all else unchanged; nothing happens."""
    acts, excess = _within_bounds(program, state, [act])
    nothing = Event(EventKind("attempt"), {}, now)
    _, broken = _observe(program, state, state, nothing, tuple(acts), judged=True, closes=False)
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
    opened = {**state, **program.resets[Lifetime.STEP]}
    if not state[TURN_OPEN] and program.events[event.kind].opening is not Opening.JOINS:
        opened |= program.resets[Lifetime.TURN]
    opened[TURN_OPEN] = True
    return opened


def _arrive(program: Program, opened: State, event: Event) -> dict[Variable, Value]:
    scope = Scope(opened, opened, event.fields, event.now)
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
        scope = Scope(old, dict(values), event.fields, event.now)
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
    fired.sort(key=lambda clause: program.place[clause.rule])
    return values, fired, tuple(sorted(overridden, key=program.place.__getitem__)), conflicts


def _out_of_range(program: Program, old: State, values: State) -> list[Broken]:
    """INVARIANT: old values are in range, since every value that was written before was judged here."""
    written = [program.variables[name] for name, value in values.items() if value is not old[name]]
    return [
        Broken("in range", f"`{info.name}` would be {spell(values[info.name], info.type)}")
        for info in written
        if info.role is Role.FACT and not inhabits(values[info.name], info.type)
    ]


# --- acts ------------------------------------------------------------------------------------------------------------


def _leave(
    program: Program, old: State, values: State, event: Event, fired: list[Clause]
) -> tuple[tuple[Act, ...], list[Broken]]:
    """The acts that leave, in leaving order, and those that exclude each other."""
    # A rule reads only what is written before its stratum, or its own writes as old values: `old` is marked on those
    # reads, so the final values are the right ones for every act.
    scope = Scope(old, values, event.fields, event.now)
    sites = [site for clause in fired for site in clause.acts]
    sites.sort(key=lambda site: (LEAVING_RANK[site.kind], site.place))
    acts: list[Act] = []
    for site in sites:
        _add(acts, _act(site, scope))
    outside = [broken for site in sites for broken in _outside(site, scope)]
    kinds = {act.kind for act in acts}
    if kinds & {ActKind.ESCALATE, ActKind.END}:
        acts = [act for act in acts if act.kind not in (ActKind.ASK, ActKind.COLLECT)]
    acts, excess = _within_bounds(program, old, acts)
    return tuple(acts), outside + _exclusions(program, acts) + excess


def _act(site: ActSite, scope: Scope) -> Act:
    args = tuple((name, evaluate(value, scope)) for name, value in site.args)
    reasons = () if site.reason is None else (str(evaluate(site.reason, scope)),)
    return Act(site.kind, site.name, args, reasons)


def _outside(site: ActSite, scope: Scope) -> list[Broken]:
    """The arguments that leave the range of their type, of those that the checker could not tell."""
    computed = [(name, evaluate(value, scope), type_of(value)) for name, value in site.args if unchecked(value)]
    return [
        Broken("in range", f"`{name}` of `{site.kind} {site.name}` would be {spell(value, type_)}")
        for name, value, type_ in computed
        if not inhabits(value, type_)
    ]


def _add(acts: list[Act], new: Act) -> None:
    """Equal acts are one act, with the reasons of all."""
    for i, act in enumerate(acts):
        if act.identity == new.identity:
            acts[i] = replace(act, reasons=act.reasons + tuple(r for r in new.reasons if r not in act.reasons))
            return
    acts.append(new)


def _within_bounds(program: Program, old: State, acts: list[Act]) -> tuple[list[Act], list[Broken]]:
    """Acts beyond their bound do not leave: the first ask or call of a turn is EXHAUSTED, all else is excess."""
    uses = {name: agent.uses for name, agent in program.agents.items()}
    uses |= {name: tool.uses for name, tool in program.tools.items()}
    spent = {name: number(old[used(name)]) for name in uses}
    out = {name: bool(old[exhausted(name)]) for name in uses}
    leaving, excess = [], []
    for act in acts:
        if act.kind is ActKind.ESCALATE and number(old[tried(act.name)]) >= program.queues[act.name].uses:
            excess.append(Broken("within bounds", f"`escalate {act.name}` again, beyond its bound of this turn"))
        elif act.kind not in (ActKind.ASK, ActKind.CALL):
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


# --- watches ---------------------------------------------------------------------------------------------------------


def _observe(
    program: Program,
    old: State,
    values: State,
    event: Event,
    acts: tuple[Act, ...],
    *,
    judged: bool,
    closes: bool = True,
) -> tuple[State, list[Broken]]:
    """The state after all moments of the step, and the requirements that they break, each once; books only, unless
    requirements are judged."""
    state: dict[Variable, Value] = dict(values)
    broken: dict[str, Broken] = {}

    def at(moment: Seen, its: Mapping[str, Value]) -> None:
        scope = Scope(old, state, its, event.now)
        for requirement, watch in program.watches.get(moment, ()):
            changed = watch.moment.variable if isinstance(watch.moment, Changed) else None
            if changed is not None and old[changed] == values[changed]:
                continue
            if (requirement is not None and not judged) or not evaluate(watch.when, scope):
                continue
            if requirement is not None and evaluate(watch.broken, scope):
                detail = " ".join(moment).strip() if changed is None else f"at the change of {changed}"
                broken.setdefault(requirement, Broken(requirement, detail))
            state.update([(name, evaluate(value, scope)) for name, value in watch.updates])

    at(arrival(event.kind), event.fields)
    at(CHANGES, event.fields)
    at(SETTLED, event.fields)
    for act in acts:
        at((act.kind.value, act.name), dict(act.args))
    at(FINISHED, event.fields)
    if closes and (state[OVER] or not evaluate(program.waiting, Scope(old, state, event.fields, event.now))):
        at(CLOSING, event.fields)
        state[TURN_OPEN] = False
    return state, list(broken.values())
