"""Simple facts of the books: what is never open twice, never beyond its bound, never open at once.

Every proof would have to find them again. Here they are found once for a program, without any goal: candidates that
hold before `start` are dropped as long as some kind of event can break one while the others hold. What is left is
inductive. A flag that never holds is then no variable any more.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import combinations

from charter.dsl.program import OVER, STARTED, TRANSFERRING, TURN_OPEN, ActKind, Variable, escalating, exhausted, used
from charter.verification.facts import Clause
from charter.verification.machine import Class, Goal, Machine
from charter.verification.smt import Codes, sort_of
from charter.verification.solver import Cases, Sat, Unclear
from charter.verification.terms import TRUE, Sort, Term
from charter.verification.unroll import Unrolled, at

NOTHING = Goal("the books")


@dataclass(frozen=True, slots=True)
class _Owner:
    """The flags of an agent or tool: of what is open, how often it was used, what is uncertain, and what is owed."""

    open: tuple[Term, ...]
    used: tuple[Term, ...]
    late: tuple[Term, ...]

    @property
    def all(self) -> tuple[Term, ...]:
        """All of them."""
        return (*self.open, *self.used, *self.late)


def books(machine: Machine, codes: Codes, budget: int) -> tuple[Clause, ...]:
    """The facts of the books that are inductive together."""
    owners = _owners(machine)
    left = [clause for clause in dict.fromkeys(_candidates(machine, owners)) if _begins(machine, clause)]
    kept = tuple(sorted({column for clause in left for column, _ in clause}))
    checks = [_Check(machine, class_, kept, left, codes, budget) for class_ in machine.picture(NOTHING, kept, ()).steps]
    alive = set(range(len(left)))
    again = True
    while again:
        again = False
        for check in checks:
            dropped = check.dropped(alive)
            again = again or bool(dropped)
            alive -= dropped
    return _tersely(left[n] for n in sorted(alive))


def _tersely(clauses: Iterable[Clause]) -> tuple[Clause, ...]:
    """The clauses without those that say no more than a shorter one of them."""
    found: dict[frozenset[tuple[Term, bool]], Clause] = {}
    for clause in sorted(clauses, key=len):
        literals = frozenset(clause)
        if not any(frozenset(some) in found for n in range(1, len(clause)) for some in combinations(clause, n)):
            found[literals] = clause
    return tuple(found.values())


class _Check:
    """One class of steps, and the candidates that it may break."""

    def __init__(
        self, machine: Machine, class_: Class, kept: tuple[Term, ...], left: list[Clause], codes: Codes, budget: int
    ) -> None:
        graph = machine.graph
        self._breaks = [n for n, clause in enumerate(left) if any(column in class_.after for column, _ in clause)]
        near = {*machine.mentioned((class_.goes, *class_.after.values())), *class_.after}
        near |= {column for n in self._breaks for column, _ in left[n]}
        self._holds = [n for n, clause in enumerate(left) if all(column in near for column, _ in clause)]
        columns = tuple(column for column in kept if column in near)
        script = Unrolled(machine, codes, {})
        script.place(0, [machine.always(columns), *columns])
        script.step(0, [class_], columns)
        for n in self._holds:
            script.require(f"h{n}", _spelled(machine, left[n], 0))
        for n in self._breaks:
            script.require(f"x{n}", f"(not {_spelled(machine, left[n], 1)})")
        script.require("some", f"(or {' '.join(f'x{n}' for n in self._breaks)} false)")
        self._cases = Cases(script.taken(), budget)
        self._left = left
        self._after = {at(graph, column, 1): sort_of(graph.sort[column]) for column in columns}
        self._names = {column: at(graph, column, 1) for column in columns}
        self._gone: set[int] = set()
        self._last = ""

    def dropped(self, alive: set[int]) -> set[int]:
        """The candidates that a step of this class breaks while all that are alive hold before it."""
        found: set[int] = set()
        while True:
            gone = [n for n in self._breaks if (n not in alive or n in found) and n not in self._gone]
            self._gone.update(gone)
            self._cases.add("\n".join(f"(assert (not x{n}))" for n in gone))
            if len(self._gone) == len(self._breaks):
                return found
            answer = self._cases.ask(["go0", "some", self._held(alive - found)], self._after)
            if isinstance(answer, Unclear):
                return found | {n for n in self._breaks if n in alive}
            if not isinstance(answer, Sat):
                return found
            values = {column: answer.values.get(name, False) for column, name in self._names.items()}
            left = (n for n in self._breaks if n not in self._gone)
            found |= {n for n in left if not any(values[column] is value for column, value in self._left[n])}

    def _held(self, alive: Set[int]) -> str:
        """The name of an assumption: that all of these hold before the step."""
        name = f"held{len(alive)}"  # candidates only ever go, so their number says which they are
        if name != self._last:
            holds = " ".join(f"h{n}" for n in self._holds if n in alive)
            self._cases.add(f"(declare-const {name} Bool)\n(assert (=> {name} (and true {holds})))")
            self._last = name
        return name


# --- candidates ------------------------------------------------------------------------------------------------------


def _candidates(machine: Machine, owners: Mapping[str, _Owner]) -> Iterator[Clause]:
    """What is worth trying: about single flags, about one agent or tool, and about those that lead to its use."""
    turn, started, over, transferring = _globals(machine)
    yield ((over, False), (turn, False))
    yield ((turn, False), (started, True))
    yield ((transferring, False), (over, False))
    queues = machine.columns_of(escalating(name) for name in machine.encoder.program.queues)
    yield from (((queue, False), (transferring, True), (over, True)) for queue in queues)
    yield ((transferring, False), *((queue, True) for queue in queues))
    for name, owner in owners.items():
        for flag in owner.all:
            yield ((flag, False),)
            yield ((flag, False), (started, True))
        for flag in (*owner.open, *owner.late):
            yield from (((flag, False), (other, True), (over, True)) for other in owner.used)
        for flag in owner.late:
            yield ((flag, False), (transferring, True), (over, True))
        for flag in owner.open:
            yield ((flag, False), (turn, True), (over, True))
            if name in machine.encoder.program.agents:
                yield ((flag, False), (over, False))
                yield ((flag, False), (transferring, False))
    first = [owner.open[0] for owner in owners.values() if owner.open]
    yield from (((flag, False), (other, False)) for i, flag in enumerate(first) for other in first[:i])
    for name, owner in owners.items():
        near = _leading_to(machine, name, owners)
        opens = [flag for other in near for flag in owners[other].open]
        for flag in opens:
            yield from (((flag, False), (other, False)) for other in (*owner.open, *owner.used) if other != flag)
            yield from (((flag, False), (other, False)) for other in opens if other > flag)


def _leading_to(machine: Machine, name: str, owners: Mapping[str, _Owner]) -> list[str]:
    """The agents and tools whose answers may lead to the use of this one."""
    program = machine.encoder.program
    found = []
    for kind, strata in program.strata.items():
        sites = (site for stratum in strata for clause in stratum for site in clause.acts)
        if any(site.kind in (ActKind.ASK, ActKind.CALL) and site.name == name for site in sites):
            found.append(kind.split(" ")[0])
    return [other for other in dict.fromkeys(found) if other in owners]


def _owners(machine: Machine) -> dict[str, _Owner]:
    state, program = machine.encoder.state, machine.encoder.program
    found = {}
    for name in (*program.agents, *program.tools):
        openings = [v for v in (Variable(f"pending {name}"), Variable(f"calls {name}")) if v in state]
        owed = next(each.due for each in machine.encoder.owed if each.name == name)
        late = [v for v in (Variable(f"uncertain {name}"), owed) if v in state]
        found[name] = _Owner(
            _flags(machine, openings), _flags(machine, [used(name), exhausted(name)]), _flags(machine, late)
        )
    return found


def _flags(machine: Machine, variables: Iterable[Variable]) -> tuple[Term, ...]:
    """The flags of variables that do not hold before `start`, but for those inside of what is open."""
    graph = machine.graph
    columns = machine.columns_of(variables)
    return tuple(c for c in columns if graph.sort[c] is Sort.BOOL and "." not in graph.name(c).rsplit("#", 1)[-1])


def _globals(machine: Machine) -> tuple[Term, Term, Term, Term]:
    turn, started, over, transferring = machine.columns_of((TURN_OPEN, STARTED, OVER, TRANSFERRING))
    return turn, started, over, transferring


def _begins(machine: Machine, clause: Clause) -> bool:
    return any((machine.initial(column) == TRUE) is value for column, value in clause)


def _spelled(machine: Machine, clause: Clause, place: int) -> str:
    names = [(at(machine.graph, column, place), value) for column, value in clause]
    return f"(or {' '.join(name if value else f'(not {name})' for name, value in names)})"
