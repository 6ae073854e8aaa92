"""A program with its expressions as functions: what `semantics.py` walks. It is made once for each program."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from charter.dsl.evaluate import Meaning, Shared, meaning
from charter.dsl.program import (
    LEAVING_RANK,
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
    Lifetime,
    Not,
    Program,
    Read,
    Seen,
    State,
    Variable,
    Watch,
    type_of,
    unchecked,
)
from charter.dsl.types import Type, Value


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
    place: tuple[int, int]
    computed: tuple[tuple[str, Meaning, Type], ...]


@dataclass(frozen=True, slots=True)
class ClauseMeaning:
    """A clause but for its guard: the place of its rule in the program, and its turn in the stratum."""

    rule: str
    place: int
    turn: int
    overridden_by: tuple[str, ...]
    writes: tuple[tuple[Variable, Meaning], ...]
    acts: tuple[SiteMeaning, ...]


@dataclass(frozen=True, slots=True)
class Stratum:
    """The clauses of a stratum as a tree, in which guards that begin alike go the same way.

    `clauses` hold here. A guard that goes on asks one of `questions`, and holds only where the answer leads on.
    """

    clauses: list[ClauseMeaning] = field(default_factory=list)
    questions: dict[Meaning, dict[Value, "Stratum"]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WatchMeaning:
    """A watch of a requirement, or of the books. `changed`: the fact whose change it is at, if it is at one."""

    requirement: str | None
    changed: Variable | None
    when: Meaning
    broken: Meaning
    updates: tuple[tuple[Variable, Meaning], ...]


@dataclass(frozen=True, slots=True)
class ProgramMeaning:
    """The functions of a program, by what a step asks for."""

    possible: Mapping[EventKind, Meaning]
    trusted: Mapping[EventKind, Meaning]
    step_resets: State
    turn_resets: State
    arrives: Mapping[EventKind, tuple[tuple[Variable, Meaning], ...]]
    strata: Mapping[EventKind, tuple[Stratum, ...]]
    watches: Mapping[Seen, tuple[WatchMeaning, ...]]
    waiting: Meaning


def meaning_of(program: Program) -> ProgramMeaning:
    """The functions of a program."""
    return program.once(_meaning_of)


def _meaning_of(program: Program) -> ProgramMeaning:
    shared: Shared = {}
    acts: dict[Act, Act] = {}
    return ProgramMeaning(
        possible={kind: meaning(info.possible, shared) for kind, info in program.events.items()},
        trusted={kind: meaning(assumed, shared) for kind, assumed in program.assumptions.items()},
        step_resets=program.resets[Lifetime.STEP],
        turn_resets=program.resets[Lifetime.TURN],
        arrives={kind: _assignments(info.arrives, shared) for kind, info in program.events.items()},
        strata={
            kind: tuple(_stratum(program, stratum, shared, acts) for stratum in strata)
            for kind, strata in program.strata.items()
        },
        watches={
            moment: tuple(_watch(requirement, watch, shared) for requirement, watch in watches)
            for moment, watches in program.watches.items()
        },
        waiting=meaning(program.waiting, shared),
    )


def _stratum(program: Program, stratum: tuple[Clause, ...], shared: Shared, acts: dict[Act, Act]) -> Stratum:
    guards = [[_question(condition) for condition in _conditions(clause.guard)] for clause in stratum]
    often = Counter(question for guard in guards for question in guard)
    start = Stratum()
    for turn, (clause, guard) in enumerate(zip(stratum, guards, strict=True)):
        here = start
        # A mere read does not rely on the conditions before it: these come first, the commonest before all.
        for asked, answer in sorted(guard, key=lambda each: -often[each] if isinstance(each[0], Read) else 0):
            here = here.questions.setdefault(meaning(asked, shared), {}).setdefault(answer, Stratum())
        here.clauses.append(_clause(program, clause, turn, shared, acts))
    return start


def _conditions(guard: Expr) -> list[Expr]:
    """The conditions that must all hold for this to hold, in order."""
    match guard:
        case And(parts):
            return [condition for part in parts for condition in _conditions(part)]
        case _:
            return [guard]


def _question(condition: Expr) -> tuple[Expr, Value]:
    """What to look at, and what it must be for the condition to hold."""
    match condition:
        case Compare(Comparison.EQ, left, Const(value)) | Compare(Comparison.EQ, Const(value), left):
            return left, value
        case Not(of):
            return of, False
        case _:
            return condition, True


def _clause(program: Program, clause: Clause, turn: int, shared: Shared, acts: dict[Act, Act]) -> ClauseMeaning:
    writes = _assignments(((write.variable, write.value) for write in clause.writes), shared)
    sites = tuple(_site(site, shared, acts) for site in clause.acts)
    place = program.place[clause.rule]
    return ClauseMeaning(clause.rule, place, turn, clause.overridden_by, writes, sites)


def _site(site: ActSite, shared: Shared, acts: dict[Act, Act]) -> SiteMeaning:
    args = tuple((name, meaning(value, shared)) for name, value in site.args)
    reason = None if site.reason is None else meaning(site.reason, shared)
    computed = tuple((name, meaning(value, shared), type_of(value)) for name, value in site.args if unchecked(value))
    place = (LEAVING_RANK[site.kind], site.place)
    return SiteMeaning(site.kind, site.name, args, reason, _fixed(site, acts), place, computed)


def _fixed(site: ActSite, acts: dict[Act, Act]) -> Act | None:
    args = tuple((name, value.value) for name, value in site.args if isinstance(value, Const))
    if len(args) != len(site.args) or not isinstance(site.reason, Const | None):
        return None
    act = Act(site.kind, site.name, args, () if site.reason is None else (str(site.reason.value),))
    return acts.setdefault(act, act)


def _assignments(written: Iterable[tuple[Variable, Expr]], shared: Shared) -> tuple[tuple[Variable, Meaning], ...]:
    return tuple((variable, meaning(value, shared)) for variable, value in written)


def _watch(requirement: str | None, watch: Watch, shared: Shared) -> WatchMeaning:
    changed = watch.moment.variable if isinstance(watch.moment, Changed) else None
    when, broken = meaning(watch.when, shared), meaning(watch.broken, shared)
    return WatchMeaning(requirement, changed, when, broken, _assignments(watch.updates, shared))
