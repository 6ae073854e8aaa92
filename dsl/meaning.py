"""A program with its expressions as functions: what `semantics.py` walks. It is made once for each program."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from charter.dsl.evaluate import Meaning, Shared, meaning
from charter.dsl.program import (
    LEAVING_RANK,
    TRUE,
    ActKind,
    ActSite,
    And,
    Changed,
    Clause,
    EventKind,
    Expr,
    Lifetime,
    Program,
    Seen,
    State,
    Variable,
    Watch,
    type_of,
    unchecked,
)
from charter.dsl.types import Type


@dataclass(frozen=True, slots=True)
class SiteMeaning:
    """An act as a rule states it. `place` is where it leaves; `computed` are the arguments that a step must judge."""

    kind: ActKind
    name: str
    args: tuple[tuple[str, Meaning], ...]
    reason: Meaning | None
    place: tuple[int, int]
    computed: tuple[tuple[str, Meaning, Type], ...]


@dataclass(frozen=True, slots=True)
class ClauseMeaning:
    """A clause: the place of its rule in the program, its turn in the stratum, and the rest of its guard."""

    rule: str
    place: int
    turn: int
    rest: Meaning
    overridden_by: tuple[str, ...]
    writes: tuple[tuple[Variable, Meaning], ...]
    acts: tuple[SiteMeaning, ...]


Stratum: TypeAlias = tuple[tuple[Meaning, tuple[ClauseMeaning, ...]], ...]
"""The clauses of a stratum by the first condition of their guards, so that what many begin with is looked at once."""


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
    return ProgramMeaning(
        possible={kind: meaning(info.possible, shared) for kind, info in program.events.items()},
        trusted={kind: meaning(assumed, shared) for kind, assumed in program.assumptions.items()},
        step_resets=program.resets[Lifetime.STEP],
        turn_resets=program.resets[Lifetime.TURN],
        arrives={kind: _assignments(info.arrives, shared) for kind, info in program.events.items()},
        strata={
            kind: tuple(_stratum(program, stratum, shared) for stratum in strata)
            for kind, strata in program.strata.items()
        },
        watches={
            moment: tuple(_watch(requirement, watch, shared) for requirement, watch in watches)
            for moment, watches in program.watches.items()
        },
        waiting=meaning(program.waiting, shared),
    )


def _stratum(program: Program, stratum: tuple[Clause, ...], shared: Shared) -> Stratum:
    found: dict[Expr, list[ClauseMeaning]] = {}
    for turn, clause in enumerate(stratum):
        first, *rest = _conditions(clause.guard) or [TRUE]
        found.setdefault(first, []).append(_clause(program, clause, turn, And(tuple(rest)), shared))
    return tuple((meaning(first, shared), tuple(clauses)) for first, clauses in found.items())


def _conditions(guard: Expr) -> list[Expr]:
    """The conditions that must all hold for this to hold, in order."""
    match guard:
        case And(parts):
            return [condition for part in parts for condition in _conditions(part)]
        case _:
            return [guard]


def _clause(program: Program, clause: Clause, turn: int, rest: Expr, shared: Shared) -> ClauseMeaning:
    writes = _assignments(((write.variable, write.value) for write in clause.writes), shared)
    acts = tuple(_site(site, shared) for site in clause.acts)
    place = program.place[clause.rule]
    return ClauseMeaning(clause.rule, place, turn, meaning(rest, shared), clause.overridden_by, writes, acts)


def _site(site: ActSite, shared: Shared) -> SiteMeaning:
    args = tuple((name, meaning(value, shared)) for name, value in site.args)
    reason = None if site.reason is None else meaning(site.reason, shared)
    computed = tuple((name, meaning(value, shared), type_of(value)) for name, value in site.args if unchecked(value))
    return SiteMeaning(site.kind, site.name, args, reason, (LEAVING_RANK[site.kind], site.place), computed)


def _assignments(written: Iterable[tuple[Variable, Expr]], shared: Shared) -> tuple[tuple[Variable, Meaning], ...]:
    return tuple((variable, meaning(value, shared)) for variable, value in written)


def _watch(requirement: str | None, watch: Watch, shared: Shared) -> WatchMeaning:
    changed = watch.moment.variable if isinstance(watch.moment, Changed) else None
    when, broken = meaning(watch.when, shared), meaning(watch.broken, shared)
    return WatchMeaning(requirement, changed, when, broken, _assignments(watch.updates, shared))
