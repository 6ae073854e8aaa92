"""When a requirement says anything at all: the moments that it watches for, as goals that ought to be reached.

A requirement can be broken in several ways. For each there must be a conversation in which the moment comes that is
judged, and one in which what it remembers of the past (a debt, an open bracket) was there to be judged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count

from charter.dsl import program as p
from charter.dsl.program import FALSE, TRUE, Expr, Lifetime, Moment, Program, Requirement, Role, Variable, Watch
from charter.dsl.types import BoolType


@dataclass(frozen=True, slots=True)
class Occasion:
    """Moments of which one must be reachable, as a requirement that is broken by each of them; `said` is for people.
    `number`: which one of its requirement's it is."""

    number: int
    probe: Requirement
    said: str


def occasions(program: Program, requirement: Requirement) -> tuple[tuple[Occasion, ...], ...]:
    """The ways to break a requirement, each as the occasions that it needs, all of them."""
    ways: dict[frozenset[Variable], list[Watch]] = {}
    for watch in requirement.watches:
        if watch.broken != FALSE:
            ways.setdefault(armed(program, p.And((watch.when, watch.broken))), []).append(watch)
    found = []
    numbers = count()
    for ghosts, watches in ways.items():
        needs = []
        if all(_is_rare(watch.moment) for watch in watches):
            needs.append(_occasion(next(numbers), requirement, {id(w): TRUE for w in watches}))
        for ghost in sorted(ghosts):
            arms = {id(w): _raised(program, w, ghost) for w in requirement.watches if _raises(w, ghost)}
            needs.append(_occasion(next(numbers), requirement, arms))
        found.append(tuple(needs))
    return tuple(found)


def with_probe(program: Program, probe: Requirement) -> Program:
    """The program with the probe in place of the requirement of its name."""
    return replace(program, requirements=tuple(probe if r.name == probe.name else r for r in program.requirements))


def spelled(moment: Moment) -> str:
    """A moment, for people."""
    match moment:
        case p.Arrival(kinds):
            return " or ".join(f"`{kind}`" for kind in sorted(kinds))
        case p.Leaving(kind, names):
            return " or ".join(f"`{kind} {name}`".replace(" `", "`") for name in sorted(names))
        case p.Changed(variable):
            return f"a change of `{variable}`"
        case p.Settled() | p.Finished():
            return "what it says `whenever` of"
        case p.Closing():
            return "the close of a turn"


def _occasion(number: int, requirement: Requirement, holds: Mapping[int, Expr]) -> Occasion:
    watches: list[Watch] = []
    moments: list[str] = []
    for watch in requirement.watches:
        if id(watch) in holds:
            when = p.And((watch.when, holds[id(watch)]))
            watches.append(Watch(watch.moment, when, TRUE))
            moments.append(spelled(watch.moment) + ("" if watch.when == TRUE else " as it is narrowed"))
        watches.append(replace(watch, broken=FALSE))
    said = " or ".join(dict.fromkeys(moments))
    return Occasion(number, replace(requirement, watches=tuple(watches)), said)


def _is_rare(moment: Moment) -> bool:
    """Whether a moment is none that comes with every step or turn."""
    return isinstance(moment, p.Arrival | p.Leaving | p.Changed)


def armed(program: Program, broken: Expr) -> frozenset[Variable]:
    """The ghosts that must hold for a requirement to be broken: a debt, an open bracket."""
    match broken:
        case p.Read(variable):
            info = program.variables[variable]
            is_flag = info.role is Role.GHOST and isinstance(info.type, BoolType)
            return frozenset((variable,)) if is_flag and info.initial is False else frozenset()
        case p.And(parts):
            return frozenset().union(*(armed(program, part) for part in parts))
        case _:
            return frozenset()


def _raises(watch: Watch, ghost: Variable) -> bool:
    return any(name == ghost and value != FALSE for name, value in watch.updates)


def _raised(program: Program, watch: Watch, ghost: Variable) -> Expr:
    """That the update makes the ghost hold, but for what the same step remembers."""
    value = next(value for name, value in watch.updates if name == ghost)
    passing = {n for n, info in program.variables.items() if info.lifetime is Lifetime.STEP and not info.initial}
    return _without(value, passing)


def _without(expr: Expr, passing: Iterable[Variable]) -> Expr:
    """The condition where these ghosts do not hold."""
    match expr:
        case p.Read(variable) if variable in passing:
            return FALSE
        case p.Not(of):
            return p.Not(_without(of, passing))
        case p.And(parts):
            return p.And(tuple(_without(part, passing) for part in parts))
        case p.Or(parts):
            return p.Or(tuple(_without(part, passing) for part in parts))
        case _:
            return expr
