"""A program with its expressions as functions: what `semantics.py` walks. It is made once for each program."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

from charter.dsl.evaluate import COMPARISONS, Meaning, Shared, meaning
from charter.dsl.program import (
    CHANGES,
    CLOSING,
    FALSE,
    FINISHED,
    LEAVING_RANK,
    SETTLED,
    TRUE,
    Act,
    ActKind,
    ActSite,
    And,
    Changed,
    Clause,
    Compare,
    Comparison,
    Const,
    EventKind,
    Expr,
    Its,
    Known,
    Lifetime,
    Not,
    Opening,
    Or,
    Program,
    Read,
    Seen,
    State,
    Variable,
    Watch,
    arrival,
    type_of,
    unchecked,
)
from charter.dsl.types import BoolType, EnumType, OptionalType, Type, Value


@dataclass(frozen=True, slots=True)
class SiteMeaning:
    """An act as a rule states it. `place` is where it leaves; `computed` are the arguments that a step must judge.

    `fixed` is the act where it is the same in every step: equal ones are one object.
    """

    kind: ActKind
    name: str
    args: tuple[tuple[str, Meaning], ...]
    reason: Meaning | None
    fixed: Act | None
    place: int
    computed: tuple[tuple[str, Meaning, Type], ...]


@dataclass(frozen=True, slots=True)
class ClauseMeaning:
    """A clause but for its guard, and the place of its rule in the program."""

    rule: str
    place: int
    overridden_by: tuple[str, ...]
    writes: tuple[tuple[Variable, Meaning], ...]
    acts: tuple[SiteMeaning, ...]


Question: TypeAlias = tuple[Expr, Value]  # what to look at, and what it must be
Compared: TypeAlias = tuple[Callable[[Any, Any], bool], Meaning, tuple[tuple[Variable, int, int], ...]]


@dataclass(frozen=True, slots=True)
class Guard:
    """The bit of a guard, where in the stratum the clauses with it stand, and what is left to ask where the stratum
    leaves it: what variables must be, and then other conditions, of which some have a value only where those before
    them hold."""

    bit: int
    turns: list[int]
    own: tuple[tuple[Variable, Value], ...]
    then: tuple[tuple[Meaning, Value], ...]


@dataclass(frozen=True, slots=True)
class Stratum:
    """The clauses of a stratum by their guards, a bit for each, from the first up.

    What several guards look at is looked at once: a variable of few values, each with the guards that it leaves; what
    variables are compared with, and how; or any other condition. With a comparison and a condition stand the guards
    that it leaves where it holds, and where it does not.
    """

    clauses: tuple[ClauseMeaning, ...]
    guards: tuple[Guard, ...]
    variables: tuple[tuple[Variable, Mapping[Value, int]], ...]
    comparisons: tuple[Compared, ...]
    conditions: tuple[tuple[Meaning, int, int], ...]


@dataclass(frozen=True, slots=True)
class WatchMeaning:
    """A watch of a requirement, or of the books. `changed`: the fact whose change it is at, if it is at one. `where`
    says for people when it observes."""

    requirement: str | None
    where: str
    changed: Variable | None
    when: Meaning | None  # None: always
    broken: Meaning | None  # None: never
    updates: tuple[tuple[Variable, Meaning], ...]


@dataclass(frozen=True, slots=True)
class ProgramMeaning:
    """The functions of a program, by what a step asks for."""

    possible: Mapping[EventKind, Meaning]
    trusted: Mapping[EventKind, Meaning]
    step_resets: State
    opening: Mapping[EventKind, State]  # the resets of a step where no turn is open
    arrives: Mapping[EventKind, tuple[tuple[Variable, Meaning], ...]]
    strata: Mapping[EventKind, tuple[Stratum, ...]]
    before_acts: Mapping[EventKind, tuple[WatchMeaning, ...]]  # the watches until acts leave
    leaving: Mapping[Seen, tuple[WatchMeaning, ...]]  # by the kind and the name of an act
    finished: tuple[WatchMeaning, ...]
    closing: tuple[WatchMeaning, ...]
    waiting: Meaning


ATTEMPT = EventKind("attempt")  # no event, but something to judge what acts would break


def meaning_of(program: Program) -> ProgramMeaning:
    """The functions of a program."""
    return program.once(_meaning_of)


def _meaning_of(program: Program) -> ProgramMeaning:
    shared: Shared = {}
    acts: dict[Act, Act] = {}
    resets = program.resets[Lifetime.STEP]
    watches = {
        moment: tuple(_watch(moment, requirement, watch, shared) for requirement, watch in watches)
        for moment, watches in program.watches.items()
    }
    return ProgramMeaning(
        possible={kind: meaning(info.possible, shared) for kind, info in program.events.items()},
        trusted={kind: meaning(assumed, shared) for kind, assumed in program.assumptions.items()},
        step_resets=resets,
        opening={
            kind: resets if info.opening is Opening.JOINS else {**resets, **program.resets[Lifetime.TURN]}
            for kind, info in program.events.items()
        },
        arrives={kind: _assignments(info.arrives, shared) for kind, info in program.events.items()},
        strata={
            kind: tuple(_stratum(program, stratum, shared, acts) for stratum in strata)
            for kind, strata in program.strata.items()
        },
        before_acts={
            kind: tuple(watch for moment in (arrival(kind), CHANGES, SETTLED) for watch in watches.get(moment, ()))
            for kind in (*program.events, ATTEMPT)
        },
        leaving={moment: watching for moment, watching in watches.items() if moment[0] in LEAVING_RANK},
        finished=watches.get(FINISHED, ()),
        closing=watches.get(CLOSING, ()),
        waiting=meaning(program.waiting, shared),
    )


def _stratum(program: Program, stratum: tuple[Clause, ...], shared: Shared, acts: dict[Act, Act]) -> Stratum:
    guards: dict[tuple[frozenset[Question], tuple[Question, ...]], list[int]] = {}
    for turn, clause in enumerate(stratum):
        asked = [_question(condition) for condition in _conditions(clause.guard)]
        first = frozenset(question for question in asked if not _relies(question[0]))
        then = tuple(question for question in asked if _relies(question[0]))
        guards.setdefault((first, then), []).append(turn)
    looking = Counter(looked_at for first, _ in guards for looked_at, _ in first)
    every = (1 << len(guards)) - 1
    left: dict[Expr, dict[Value, int]] = {}  # by what several look at, and what it is: the guards that go on
    for place, (first, _) in enumerate(guards):
        for looked_at, wanted in first:
            if looking[looked_at] == 1:
                continue
            answers = left.setdefault(looked_at, dict.fromkeys(_few(type_of(looked_at)), every))
            for answer in answers:
                if answer != wanted:
                    answers[answer] &= ~(1 << place)
    return Stratum(
        tuple(_clause(program, clause, shared, acts) for clause in stratum),
        tuple(
            _guard(1 << place, [question for question in first if looking[question[0]] == 1], then, turns, shared)
            for place, ((first, then), turns) in enumerate(guards.items())
        ),
        tuple((read.variable, answers) for read, answers in left.items() if _is_variable(read)),
        _comparisons(left, shared),
        tuple(
            (meaning(condition, shared), answers[True], answers[False])
            for condition, answers in left.items()
            if not _is_variable(condition) and not _is_comparison(condition)
        ),
    )


def _guard(bit: int, own: list[Question], then: tuple[Question, ...], turns: list[int], shared: Shared) -> Guard:
    return Guard(
        bit,
        turns,
        tuple((read.variable, wanted) for read, wanted in own if _is_variable(read)),
        tuple((meaning(looked_at, shared), wanted) for looked_at, wanted in own if not _is_variable(looked_at))
        + tuple((meaning(looked_at, shared), wanted) for looked_at, wanted in then),
    )


def _comparisons(left: Mapping[Expr, Mapping[Value, int]], shared: Shared) -> tuple[Compared, ...]:
    """Those of variables, by what they are compared with."""
    found: dict[tuple[Comparison, Expr], list[tuple[Variable, int, int]]] = {}
    for condition, answers in left.items():
        match condition:
            case Compare(op, Read(variable, _, old=False), right):
                found.setdefault((op, right), []).append((variable, answers[True], answers[False]))
    return tuple((COMPARISONS[op], meaning(right, shared), tuple(same)) for (op, right), same in found.items())


def _few(type_: Type) -> tuple[Value, ...]:
    """The values of a type that has few."""
    match type_:
        case BoolType():
            return False, True
        case EnumType(_, values):
            return values
        case OptionalType(of):
            few = _few(of)
            return few and (None, *few)
        case _:
            return ()


def _is_variable(expr: Expr) -> TypeGuard[Read]:
    return isinstance(expr, Read) and not expr.old


def _is_comparison(expr: Expr) -> bool:
    """Whether it compares a variable."""
    return isinstance(expr, Compare) and _is_variable(expr.left)


def _relies(expr: Expr) -> bool:
    """Whether it may have a value only where the conditions before it hold."""
    match expr:
        case Const() | Read() | Its():
            return False
        case Known(of) | Not(of):
            return _relies(of)
        case And(parts) | Or(parts):
            return any(_relies(part) for part in parts)
        case Compare(op, left, right):
            ordered = op not in (Comparison.EQ, Comparison.NE)
            return any(_relies(side) or (ordered and isinstance(type_of(side), OptionalType)) for side in (left, right))
        case _:
            return True


def _conditions(guard: Expr) -> list[Expr]:
    """The conditions that must all hold for this to hold, in order."""
    match guard:
        case And(parts):
            return [condition for part in parts for condition in _conditions(part)]
        case _:
            return [guard]


def _question(condition: Expr) -> Question:
    """What to look at, and what it must be for the condition to hold."""
    match condition:
        case Compare(Comparison.EQ, Read(old=False) as read, Const(value)) if value in _few(read.type):
            return read, value
        case Not(of):
            return of, False
        case _:
            return condition, True


def _clause(program: Program, clause: Clause, shared: Shared, acts: dict[Act, Act]) -> ClauseMeaning:
    writes = _assignments(((write.variable, write.value) for write in clause.writes), shared)
    sites = tuple(_site(site, shared, acts) for site in clause.acts)
    place = program.place[clause.rule]
    return ClauseMeaning(clause.rule, place, clause.overridden_by, writes, sites)


def _site(site: ActSite, shared: Shared, acts: dict[Act, Act]) -> SiteMeaning:
    args = tuple((name, meaning(value, shared)) for name, value in site.args)
    reason = None if site.reason is None else meaning(site.reason, shared)
    computed = tuple((name, meaning(value, shared), type_of(value)) for name, value in site.args if unchecked(value))
    place = (LEAVING_RANK[site.kind] << 32) + site.place
    return SiteMeaning(site.kind, site.name, args, reason, _fixed(site, acts), place, computed)


def _fixed(site: ActSite, acts: dict[Act, Act]) -> Act | None:
    args = tuple((name, value.value) for name, value in site.args if isinstance(value, Const))
    if len(args) != len(site.args) or not isinstance(site.reason, Const | None):
        return None
    act = Act(site.kind, site.name, args, () if site.reason is None else (str(site.reason.value),))
    return acts.setdefault(act, act)


def _assignments(written: Iterable[tuple[Variable, Expr]], shared: Shared) -> tuple[tuple[Variable, Meaning], ...]:
    return tuple((variable, meaning(value, shared)) for variable, value in written)


def _watch(moment: Seen, requirement: str | None, watch: Watch, shared: Shared) -> WatchMeaning:
    changed = watch.moment.variable if isinstance(watch.moment, Changed) else None
    where = " ".join(moment).strip() if changed is None else f"at the change of {changed}"
    when = None if watch.when == TRUE else meaning(watch.when, shared)
    broken = None if watch.broken == FALSE else meaning(watch.broken, shared)
    return WatchMeaning(requirement, where, changed, when, broken, _assignments(watch.updates, shared))
