"""What of a program has to do with something that is sought: what leads to it, what leads to that, and so on."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from charter.dsl.program import (
    OVER,
    SAFE_STOPS,
    STARTED,
    TRANSFERRING,
    TRUE,
    TURN_OPEN,
    Arithmetic,
    Arrival,
    Changed,
    Clause,
    Const,
    EventKind,
    Expr,
    Leaving,
    Moment,
    Not,
    Operation,
    Or,
    Program,
    Read,
    State,
    Variable,
    Watch,
    Without,
)
from charter.verification.fuzz.reach import Feature, nodes

Cause: TypeAlias = tuple[str, ...]
"""("fires", rule, kind), ("does", kind of act, name), ("value", variable) or ("comes", kind), as features are."""

EVERYWHERE = frozenset({STARTED, OVER, TURN_OPEN, TRANSFERRING, SAFE_STOPS})  # everything has to do with these


@dataclass(frozen=True)
class Aim:
    """Everything that leads to what is sought."""

    causes: frozenset[Cause]

    @cached_property
    def kinds(self) -> frozenset[EventKind]:
        """The events among it."""
        return frozenset(EventKind(cause[1]) for cause in self.causes if cause[0] == "comes")

    @cached_property
    def variables(self) -> frozenset[Variable]:
        """The variables among it."""
        return frozenset(Variable(cause[1]) for cause in self.causes if cause[0] == "value")

    def reached(self, program: Program, state: State) -> int:
        """How many of its variables are not what they were at first."""
        return sum(state[variable] != program.initial[variable] for variable in self.variables)

    def guards(self, program: Program) -> tuple[Expr, ...]:
        """What its rules ask for."""
        return tuple(clause.guard for kind, clause in _clauses(program) if _fires(kind, clause) in self.causes)

    def has(self, feature: Feature) -> bool:
        """Whether what a step showed is part of it."""
        return (feature[:2] if feature[:1] == ("value",) else feature) in self.causes


class Causes:
    """What leads to what in a program."""

    def __init__(self, program: Program) -> None:
        found: defaultdict[Cause, list[Cause]] = defaultdict(list)
        for kind, clause in _clauses(program):
            fires = _fires(kind, clause)
            found[fires] += [("comes", kind), *_read(clause.guard)]
            for site in clause.acts:
                found["does", site.kind.value, site.name].append(fires)
            for write in clause.writes:
                if _raises(program, write.variable, write.value):
                    found["value", write.variable].append(fires)
        for kind, info in program.events.items():
            found["comes", kind] += _read(info.possible)
            for variable, _ in info.arrives:
                found["value", variable].append(("comes", kind))
        for watch in (*program.bookkeeping, *(watch for each in program.requirements for watch in each.watches)):
            for variable, value in watch.updates:
                if _raises(program, variable, value):
                    found["value", variable] += _of(watch)
        self._causes = found

    def of(self, watches: Iterable[Watch]) -> Aim:
        """What leads to the moments at which one of these is broken."""
        return self._leading_to(cause for watch in watches if watch.broken == TRUE for cause in _of(watch))

    def of_rule(self, rule: str, kind: EventKind) -> Aim:
        """What leads to a rule that fires on a kind of event."""
        return self._leading_to([("fires", rule, kind)])

    def _leading_to(self, last: Iterable[Cause]) -> Aim:
        found: set[Cause] = {("comes", "start")}
        todo = [*last]
        while todo:
            cause = todo.pop()
            if cause not in found:
                found.add(cause)
                todo += self._causes.get(cause, ())
        return Aim(frozenset(found))


def _clauses(program: Program) -> Iterator[tuple[EventKind, Clause]]:
    return ((kind, clause) for kind, strata in program.strata.items() for stratum in strata for clause in stratum)


def _fires(kind: EventKind, clause: Clause) -> Cause:
    return "fires", clause.rule, kind


def _raises(program: Program, variable: Variable, value: Expr) -> bool:
    """Whether a variable may get anything else than it had at first by this, and no less."""
    match value:
        case Or(()):
            return program.variables[variable].initial is not False
        case Const(constant):
            return constant != program.variables[variable].initial
        case Without() | Arithmetic(Operation.SUB):
            return False
        case _:
            return True


def _of(watch: Watch) -> list[Cause]:
    """What a watch looks at."""
    return [*_at(watch.moment), *_read(watch.when)]


def _at(moment: Moment) -> list[Cause]:
    match moment:
        case Arrival(kinds):
            return [("comes", kind) for kind in sorted(kinds)]
        case Leaving(kind, names):
            return [("does", kind.value, name) for name in sorted(names)]
        case Changed(variable):
            return [("value", variable)]
        case _:
            return []


def _read(expr: Expr) -> list[Cause]:
    """The variables that must have got a value for it to hold, as far as is seen at a glance."""
    refused = {id(node.of) for node in nodes(expr) if isinstance(node, Not)}
    read = dict.fromkeys(node.variable for node in nodes(expr) if isinstance(node, Read) and id(node) not in refused)
    return [("value", variable) for variable in read if variable not in EVERYWHERE]
