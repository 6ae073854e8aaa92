"""The evaluator: all of a step but which clauses fire, over a program compiled to straight-line functions.

It is the engine's own reading of `program.py`, independent of `dsl/semantics.py`: the two must agree before a word is
spoken. Which clauses fire is asked of `Fire`, which the rule kernel answers.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter, itemgetter
from typing import NamedTuple, Protocol

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
    EventKind,
    State,
    Variable,
    exhausted,
    tried,
    used,
)
from charter.dsl.types import Value
from charter.engine.evaluator_program import (
    CompiledClause,
    CompiledKind,
    Evaluator,
    Identity,
    Placed,
    Seen,
    Variables,
)


class Fire(Protocol):
    """Decides one stratum: the clauses that fire, and those whose guard holds but are overridden, in their order.

    `fired` are the rules that fired in earlier strata.
    """

    def __call__(
        self,
        kind: EventKind,
        stratum: int,
        old: State,
        final: State,
        fields: Seen,
        now: int,
        fired: set[str],
        /,
    ) -> tuple[Sequence[CompiledClause], Sequence[CompiledClause]]: ...


class Executed(NamedTuple):
    """What one step did, as the engine reads it; the fields mean what they mean in `semantics.Outcome`.

    `broken` are names only, in the order found, with a built-in as often as it was broken.
    """

    state: State
    acts: tuple[Act, ...] = ()
    fired: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    dropped: bool = False


# --- a step ----------------------------------------------------------------------------------------------------------


def execute(evaluator: Evaluator, state: State, event: Event, fire: Fire) -> Executed:
    """What `event` does to a conversation in `state`, where `fire` decides which clauses fire."""
    kind, fields, now = evaluator.kinds[event.kind], event.fields, event.now
    if not kind.possible(state, state, fields, now):
        return Executed(state, dropped=True)
    old = _begin(evaluator, kind, state, fields, now)
    final = dict(old)
    fired, overridden, conflicts = _rules(kind, event, old, final, fire)
    over = bool(state[OVER])
    broken = [NO_CONFLICT] * conflicts
    if kind.out_of_range is not None:
        broken += [IN_RANGE] * kind.out_of_range(final)
    acts: tuple[Act, ...] = ()
    if fired and not over:
        wanted, outside = _wanted(fired, old, final, fields, now)
        acts, excluded = _leaving(evaluator, old, wanted)
        broken += [IN_RANGE] * outside + excluded
    rules, beaten = tuple([clause.rule for clause in fired]), tuple([clause.rule for clause in overridden])
    if not broken:
        broken = _observe(evaluator, kind, event, old, final, acts, judged=not over)
        if not broken:
            return Executed(final, acts, rules, beaten)
    stops = old[SAFE_STOPS]
    acts = () if over or kind.ends else (_safe_stop(evaluator, stops),)
    stopped = dict(old)
    stopped[SAFE_STOPS] = 1 if stops == 0 else 2
    _observe(evaluator, kind, event, old, stopped, acts, judged=not over)
    return Executed(stopped, acts, rules, beaten, tuple(broken))


def _begin(evaluator: Evaluator, kind: CompiledKind, state: State, fields: Seen, now: int) -> Variables:
    """The variables after the resets of the step and of an opening turn, with what the event brings."""
    old = dict(state)
    old.update(evaluator.opening if kind.opens and not state[TURN_OPEN] else evaluator.resets)
    if kind.arriving:
        old.update(zip(kind.arriving, kind.arrive(old, old, fields, now), strict=True))
    return old


def _rules(
    kind: CompiledKind, event: Event, old: State, final: Variables, fire: Fire
) -> tuple[list[CompiledClause], list[CompiledClause], int]:
    """Fires stratum after stratum, writing into `final`: what fired, what was overridden, and how many writes clash."""
    fields, now = event.fields, event.now
    fired: list[CompiledClause] = []
    overridden: list[CompiledClause] = []
    written: set[Variable] = set()
    conflicts = 0
    for number in range(len(kind.strata)):
        names = {clause.rule for clause in fired} if fired else set()
        clauses, beaten = fire(event.kind, number, old, final, fields, now, names)
        overridden += beaten
        if not clauses:
            continue
        # All read what stood before the stratum, so every value is computed before the first is written.
        writes = [(clause, clause.values(old, final, fields, now)) for clause in clauses if clause.targets]
        for clause, values in writes:
            for variable, value in zip(clause.targets, values, strict=True):
                conflicts += variable in written and final[variable] != value
                written.add(variable)
                final[variable] = value
        fired = sorted([*fired, *clauses], key=_RANK) if fired else [*clauses]
    overridden.sort(key=_RANK)
    return fired, overridden, conflicts


_RANK, _PLACE = attrgetter("rank"), itemgetter(0)


def _wanted(fired: list[CompiledClause], old: State, final: State, fields: Seen, now: int) -> tuple[Iterable[Act], int]:
    """The acts of these clauses in leaving order, equal ones merged at the place of the first, and how many arguments
    are outside their types."""
    outside = 0
    first: dict[int, Placed] = {}  # of those that are equal
    computed: list[Placed] = []
    for clause in fired:
        for constant in clause.constant:
            first.setdefault(id(constant[1]), constant)
        if clause.acts is not None:
            acts = clause.acts(old, final, fields, now)
            computed += [(at, (which, Act(*which, why))) for at, (which, why) in zip(clause.order, acts, strict=True)]
            outside += 0 if clause.outside is None else clause.outside(old, final, fields, now)
    placed = [*first.values(), *computed]
    if len(placed) == 1:
        return (placed[0][1][1],), outside
    placed.sort(key=_PLACE)
    wanted: dict[Identity, Act] = {}
    for _, (which, act) in placed:
        known = wanted.setdefault(which, act)
        if known.reasons != act.reasons:
            wanted[which] = Act(*which, tuple(dict.fromkeys(known.reasons + act.reasons)))
    return wanted.values(), outside


def _leaving(evaluator: Evaluator, old: State, wanted: Iterable[Act]) -> tuple[tuple[Act, ...], list[str]]:
    """The acts that leave, and the built-ins that they break: what excludes each other, and uses beyond a bound."""
    kinds = {act.kind for act in wanted}
    if kinds.isdisjoint(_LIMITED):
        return tuple(wanted), []
    ending = ActKind.END in kinds or ActKind.ESCALATE in kinds
    spent: dict[str, int] = {}
    told: set[str] = set()
    leaving: list[Act] = []
    excess = 0
    for act in wanted:
        kind, name = act.kind, act.name
        if ending and kind in (ActKind.ASK, ActKind.COLLECT):
            continue
        if kind is ActKind.ESCALATE and _count(old[tried(name)]) >= evaluator.tries[name]:
            excess += 1
            continue
        if kind in (ActKind.ASK, ActKind.CALL):
            before = spent.get(name, _count(old[used(name)]))
            if before < evaluator.uses[name]:
                spent[name] = before + 1
            elif name in told or old[exhausted(name)]:
                excess += 1
                continue
            else:
                told.add(name)
                act = Act(ActKind.EXHAUSTED, name, act.args, act.reasons)
        leaving.append(act)
    return tuple(leaving), _exclusions(evaluator, leaving) + [WITHIN_BOUNDS] * excess


_LIMITED = frozenset({ActKind.ASK, ActKind.CALL, ActKind.COLLECT, ActKind.ESCALATE, ActKind.END})


def _count(value: Value) -> int:
    if not isinstance(value, int):
        raise TypeError(f"a use counted as {value!r}")
    return value


def _exclusions(evaluator: Evaluator, leaving: list[Act]) -> list[str]:
    kinds = [act.kind for act in leaving]
    if ActKind.ESCALATE not in kinds and ActKind.COLLECT not in kinds and ActKind.END not in kinds:
        return []
    found = (kinds.count(ActKind.ESCALATE) > 1) + (kinds.count(ActKind.COLLECT) > 1)
    if ActKind.END in kinds:
        found += kinds.count(ActKind.ESCALATE)
        found += sum(act.kind is ActKind.CALL and act.name in evaluator.writing_tools for act in leaving)
    return [NO_EXCLUDED] * found


def _safe_stop(evaluator: Evaluator, stops: Value) -> Act:
    if stops == 0:
        return Act(ActKind.ESCALATE, evaluator.fallback, (), ("safe stop",))
    return Act(ActKind.END, "", (), ("safe stop",))


def _observe(
    evaluator: Evaluator,
    kind: CompiledKind,
    event: Event,
    old: State,
    final: Variables,
    acts: tuple[Act, ...],
    judged: bool,
) -> list[str]:
    """Runs every watch of the step on `final`, moment after moment, and names what breaks, each once."""
    fields, now = event.fields, event.now
    broken: dict[str, None] = {}
    for watches in kind.before:
        watches(old, final, fields, now, broken, judged)
    for act in acts:
        leaves = evaluator.leaving.get((act.kind, act.name))
        if leaves is not None:
            leaves(old, final, dict(act.args), now, broken, judged)
    for watches in evaluator.finished:
        watches(old, final, fields, now, broken, judged)
    if final[OVER] or not evaluator.waiting(old, final, fields, now):
        for watches in evaluator.closing:
            watches(old, final, fields, now, broken, judged)
        final[TURN_OPEN] = False
    return list(broken)
