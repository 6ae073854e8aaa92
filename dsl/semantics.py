"""The meaning of a program: `step` says what one event does to a conversation. Everything else is judged against it.

It walks the program one clause and one watch at a time, with nothing clever in it. The stages of a step:

    environment → opening → arrival → rules → acts → watches → closing

What the rules want is judged as a whole; if any of it is broken, the safe stop takes its place.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import NamedTuple

from charter.dsl.evaluate import Scope, number
from charter.dsl.meaning import ATTEMPT, ClauseMeaning, ProgramMeaning, SiteMeaning, Stratum, WatchMeaning, meaning_of
from charter.dsl.program import (
    IN_RANGE,
    NO_CONFLICT,
    NO_EXCLUDED,
    OVER,
    SAFE_STOPS,
    TURN_OPEN,
    WITHIN_BOUNDS,
    Act,
    ActKind,
    Event,
    Program,
    Role,
    State,
    Variable,
    exhausted,
    tried,
    used,
)
from charter.dsl.types import Value, inhabits
from charter.dsl.values import spell


@dataclass(frozen=True, slots=True)
class Broken:
    """A requirement (or built-in) that the step as the rules wanted it would break, and how."""

    requirement: str
    detail: str


_NOTHING: State = {}


class Outcome(NamedTuple):
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
    old: State = _NOTHING


def step(program: Program, state: State, event: Event) -> Outcome:
    """What `event` does to a conversation in `state`."""
    meant = meaning_of(program)
    if not _possible(meant, state, event):
        return Outcome(state, dropped=f"`{event.kind}` cannot come now")
    old = _begin(meant, state, event)
    values = dict(old)
    scope = Scope(old, values, event.fields, event.now)
    fired, overridden, broken, written = _fire(meant, values, scope, event)
    rules = tuple([clause.rule for clause in fired])
    if written:
        broken += _out_of_range(program, values, written)
    settles = bool(state[OVER])  # a settlement after the end: of it, only what it writes remains
    acts: tuple[Act, ...] = ()
    if not settles:
        acts, excluded = _leave(program, scope, fired)
        broken += excluded
    if not broken:
        broken = _observe(meant, values, scope, event, acts, judged=not settles)
        if not broken:
            return Outcome(values, acts, rules, overridden, (), None, old)
    stopped = safe_stop(program, state, event, tuple(broken))
    return stopped._replace(fired=rules, overridden=overridden)


def safe_stop(program: Program, state: State, event: Event, broken: tuple[Broken, ...]) -> Outcome:
    """What replaces a step that cannot be taken: the event counts as received, and a person takes over, without speech;
    a second time the conversation ends. INVARIANT: watches on `escalate` and `end` mention no arguments."""
    meant = meaning_of(program)
    old = _begin(meant, state, event)
    acts: tuple[Act, ...] = (Act(ActKind.ESCALATE, program.fallback, (), ("safe stop",)),)
    if state[OVER] or program.events[event.kind].ends:
        acts = ()
    elif old[SAFE_STOPS]:
        acts = (Act(ActKind.END, "", (), ("safe stop",)),)
    values = {**old, SAFE_STOPS: min(2, number(old[SAFE_STOPS]) + 1)}
    _observe(meant, values, Scope(old, values, event.fields, event.now), event, acts, judged=not state[OVER])
    return Outcome(values, acts, (), (), broken, None, old)


def possible(program: Program, state: State, event: Event) -> bool:
    """Whether the environment lets this event come in this state; it is the same list that proofs assume."""
    return _possible(meaning_of(program), state, event)


def trusted(program: Program, state: State, event: Event) -> bool:
    """Whether what the policy assumes of this event holds; where it does not, the event is a failure instead."""
    assumed = meaning_of(program).trusted.get(event.kind)
    return assumed is None or assumed(Scope(state, state, event.fields, event.now)) is True


def attempt(program: Program, state: State, act: Act, now: int) -> tuple[Broken, ...]:
    """What would be broken if the rules did `act` now, all else unchanged; nothing happens."""
    acts, excess = _within_bounds(program, state, [act])
    nothing, values = Event(ATTEMPT, {}, now), dict(state)
    scope = Scope(state, values, nothing.fields, now)
    broken = _observe(meaning_of(program), values, scope, nothing, tuple(acts), judged=True, closes=False)
    return (*excess, *broken)


def replays(program: Program, events: Iterable[Event]) -> list[Outcome]:
    """The outcomes of a whole conversation, one for each event, from the initial state."""
    outcomes, state = [], program.initial
    for event in events:
        outcomes.append(step(program, state, event))
        state = outcomes[-1].state
    return outcomes


def _possible(meant: ProgramMeaning, state: State, event: Event) -> bool:
    return meant.possible[event.kind](Scope(state, state, event.fields, event.now)) is True


# --- opening and arrival ---------------------------------------------------------------------------------------------


def _begin(meant: ProgramMeaning, state: State, event: Event) -> dict[Variable, Value]:
    """The variables after the resets of the step, and of a turn that opens, with what the event brings."""
    begun = dict(state)
    begun.update(meant.step_resets if state[TURN_OPEN] else meant.opening[event.kind])
    begun[TURN_OPEN] = True
    arrives = meant.arrives[event.kind]
    if arrives:
        scope = Scope(begun, begun, event.fields, event.now)
        begun |= {variable: value(scope) for variable, value in arrives}
    return begun


# --- rules -----------------------------------------------------------------------------------------------------------


_PLACE = attrgetter("place")


def _fire(
    meant: ProgramMeaning, values: dict[Variable, Value], scope: Scope, event: Event
) -> tuple[list[ClauseMeaning], tuple[str, ...], list[Broken], Iterable[Variable]]:
    """Makes `values`, which `scope` reads, those after all rules: the clauses that fired, the rules overridden,
    conflicting writes, and the facts written."""
    fired: list[ClauseMeaning] = []
    overridden: list[ClauseMeaning] = []
    conflicts: list[Broken] = []
    writer: dict[Variable, str] = {}
    for stratum in meant.strata[event.kind]:
        hold = _holding(stratum, scope)
        if not hold:
            continue
        firing = hold
        if fired:
            names = {clause.rule for clause in fired}
            firing = [clause for clause in hold if names.isdisjoint(clause.overridden_by)]
            overridden += [clause for clause in hold if not names.isdisjoint(clause.overridden_by)]
        # what a rule reads stands before its stratum, so all is read before anything is written
        writes = [(clause, variable, value(scope)) for clause in firing for variable, value in clause.writes]
        for clause, variable, value in writes:
            if variable in writer and values[variable] != value:
                rules = f"`{writer[variable]}` and `{clause.rule}`"
                conflicts.append(Broken(NO_CONFLICT, f"{rules} write different values to `{variable}`"))
            writer.setdefault(variable, clause.rule)
            values[variable] = value
        fired = sorted(fired + firing, key=_PLACE) if fired else firing
    overridden.sort(key=_PLACE)
    return fired, tuple([clause.rule for clause in overridden]), conflicts, writer


def _holding(stratum: Stratum, scope: Scope) -> list[ClauseMeaning]:
    """The clauses whose guards hold, in their order: those of the guards that all that is looked at leaves."""
    left, final = (1 << len(stratum.guards)) - 1, scope.final
    for variable, answers in stratum.variables:
        left &= answers[final[variable]]
    for compare, other, variables in stratum.comparisons:
        bound = other(scope)
        for variable, yes, no in variables:
            left &= yes if compare(final[variable], bound) else no
    for condition, yes, no in stratum.conditions:
        left &= yes if condition(scope) else no
    turns: list[int] = []
    while left:
        guard = stratum.guards[left.bit_length() - 1]
        left ^= guard.bit
        for variable, value in guard.own:
            if final[variable] != value:
                break
        else:
            for looked_at, wanted in guard.then:
                if looked_at(scope) != wanted:
                    break
            else:
                turns += guard.turns
    turns.sort()
    return [stratum.clauses[turn] for turn in turns]


def _out_of_range(program: Program, values: State, written: Iterable[Variable]) -> list[Broken]:
    """INVARIANT: old values are in range, since every value that was written before was judged here."""
    return [
        Broken(IN_RANGE, f"`{info.name}` would be {spell(values[info.name], info.type)}")
        for info in [program.variables[variable] for variable in written]
        if info.role is Role.FACT and not inhabits(values[info.name], info.type)
    ]


# --- acts ------------------------------------------------------------------------------------------------------------


def _leave(program: Program, scope: Scope, fired: list[ClauseMeaning]) -> tuple[tuple[Act, ...], list[Broken]]:
    """The acts that leave, in leaving order, and what forbids it: arguments out of range, excluded acts, bounds.

    A rule reads only what is written before its stratum, or its own writes as old values: those reads are marked old,
    so the final values are the right ones for every act.
    """
    first: dict[int, SiteMeaning] = {}
    for clause in fired:
        for site in clause.acts:
            first.setdefault(id(site.fixed or site), site)  # equal fixed acts are one object
    if not first:
        return (), []
    acts: list[Act] = []
    outside: list[Broken] = []
    for site in sorted(first.values(), key=_PLACE):
        acts.append(site.fixed or _act(site, scope))
        outside += _outside(site, scope) if site.computed else ()
    acts = _merged(acts)
    if _FREE.issuperset(map(_KIND, acts)):
        return tuple(acts), outside
    if not _HANDING_OVER.isdisjoint(map(_KIND, acts)):
        acts = [act for act in acts if act.kind not in (ActKind.ASK, ActKind.COLLECT)]
    acts, excess = _within_bounds(program, scope.old, acts)
    return tuple(acts), outside + _exclusions(program, acts) + excess


_KIND = attrgetter("kind")
_HANDING_OVER = frozenset({ActKind.ESCALATE, ActKind.END})
_FREE = frozenset({ActKind.DISCLOSE, ActKind.SAY, ActKind.TIMER, ActKind.NOTE})  # nothing bounds or excludes these


def _act(site: SiteMeaning, scope: Scope) -> Act:
    args = tuple([(name, value(scope)) for name, value in site.args])
    reasons = () if site.reason is None else (str(site.reason(scope)),)
    return Act(site.kind, site.name, args, reasons)


def _outside(site: SiteMeaning, scope: Scope) -> list[Broken]:
    """The arguments that leave the range of their type, of those that the checker could not tell."""
    return [
        Broken(IN_RANGE, f"`{name}` of `{site.kind} {site.name}` would be {spell(value(scope), type_)}")
        for name, value, type_ in site.computed
        if not inhabits(value(scope), type_)
    ]


def _merged(acts: list[Act]) -> list[Act]:
    """Equal acts are one act, with the reasons of all."""
    if len(acts) == 1:
        return acts
    found: dict[object, Act] = {}
    for act in acts:
        same = found.setdefault(act.identity, act)
        if same.reasons != act.reasons:
            found[act.identity] = replace(same, reasons=tuple(dict.fromkeys(same.reasons + act.reasons)))
    return list(found.values())


def _within_bounds(program: Program, old: State, acts: list[Act]) -> tuple[list[Act], list[Broken]]:
    """Acts beyond their bound do not leave: the first ask or call of a turn is EXHAUSTED, all else is excess."""
    leaving, excess = [], []
    spent: dict[tuple[ActKind, str], int] = {}
    for act in acts:
        which = act.kind, act.name
        if which not in program.uses:
            leaving.append(act)
            continue
        count = tried(act.name) if act.kind is ActKind.ESCALATE else used(act.name)
        before = spent.setdefault(which, number(old[count]))
        spent[which] += 1
        if before < program.uses[which]:
            leaving.append(act)
        elif act.kind is not ActKind.ESCALATE and before == program.uses[which] and not old[exhausted(act.name)]:
            leaving.append(replace(act, kind=ActKind.EXHAUSTED))
        else:
            excess.append(Broken(WITHIN_BOUNDS, f"`{act.kind} {act.name}` again, beyond its bound of this turn"))
    return leaving, excess


def _exclusions(program: Program, acts: list[Act]) -> list[Broken]:
    broken = []
    for kind in (ActKind.ESCALATE, ActKind.COLLECT):
        names = [act.name for act in acts if act.kind is kind]
        if len(names) > 1:
            broken.append(Broken(NO_EXCLUDED, " with ".join(f"`{kind} {name}`" for name in names)))
    if any(act.kind is ActKind.END for act in acts):
        for act in acts:
            if act.kind is ActKind.ESCALATE or (act.kind is ActKind.CALL and program.tools[act.name].writes):
                broken.append(Broken(NO_EXCLUDED, f"`end` with `{act.kind} {act.name}`"))
    return broken


# --- watches ---------------------------------------------------------------------------------------------------------


def _observe(
    meant: ProgramMeaning,
    values: dict[Variable, Value],
    scope: Scope,
    event: Event,
    acts: tuple[Act, ...],
    *,
    judged: bool,
    closes: bool = True,
) -> list[Broken]:
    """Makes `values`, which `scope` reads, those after all moments of the step: the requirements that they break, each
    once; books only, unless requirements are judged."""
    broken: dict[str, Broken] = {}
    _watch(meant.before_acts[event.kind], values, scope, broken, judged)
    for act in acts:
        watches = meant.leaving.get((act.kind, act.name))
        if watches is not None:
            _watch(watches, values, Scope(scope.old, values, dict(act.args), scope.now), broken, judged)
    _watch(meant.finished, values, scope, broken, judged)
    if closes and (values[OVER] or not meant.waiting(scope)):
        _watch(meant.closing, values, scope, broken, judged)
        values[TURN_OPEN] = False
    return list(broken.values())


def _watch(
    watches: Iterable[WatchMeaning],
    values: dict[Variable, Value],
    scope: Scope,
    broken: dict[str, Broken],
    judged: bool,
) -> None:
    """Makes `values`, which `scope` reads, those after these watches, and adds what they find broken."""
    for watch in watches:
        requirement, fact = watch.requirement, watch.changed
        if requirement is not None and not judged:
            continue
        if fact is not None and scope.old[fact] == values[fact]:
            continue
        if watch.when is not None and not watch.when(scope):
            continue
        if requirement is not None and watch.broken is not None and watch.broken(scope):
            broken.setdefault(requirement, Broken(requirement, watch.where))
        if watch.updates:
            values |= {variable: value(scope) for variable, value in watch.updates}
