"""Simple facts of the books: what is never open twice, never beyond its bound, never open at once.

Every proof would have to find them again. Here they are found once for a program, without any goal: candidates that
hold before `start` are dropped as long as some kind of event can break one while the others hold. What is left is
inductive. A flag that never holds is then no variable any more.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from charter.dsl.program import (
    OVER,
    STARTED,
    TRANSFERRING,
    TURN_OPEN,
    ActKind,
    Program,
    Variable,
    escalating,
    exhausted,
    tried,
    used,
)
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.smt import Codes
from charter.verification.encode.terms import Sort, Term
from charter.verification.prove.facts import Clause, Facts
from charter.verification.prove.inductive import Spread, in_turn, inductive
from charter.verification.prove.machine import Goal, Machine

NOTHING = Goal("the books")
LONG = 4  # in clauses of more flags, shorter ones are not looked for


@dataclass(frozen=True, slots=True)
class _Owner:
    """The flags of an agent or tool: of what is open, how often it was used, what is uncertain, and what is owed."""

    open: tuple[Term, ...]
    used: tuple[Term, ...]
    uncertain: tuple[Term, ...]
    owed: tuple[Term, ...]


def books(encoder: Encoder, facts: Facts, codes: Codes, budget: int, spread: Spread = in_turn) -> tuple[Clause, ...]:
    """The facts of the books that are inductive together; `facts` are known. `spread` says where the work is done."""
    machine = Machine(encoder, (), facts)
    return _tersely(inductive(machine, tuple(candidates(machine)), codes, budget, spread))


def _tersely(clauses: Iterable[Clause]) -> tuple[Clause, ...]:
    """The clauses without those that say no more than a shorter one of them."""
    found: dict[frozenset[tuple[Term, bool]], Clause] = {}
    for clause in sorted(clauses, key=len):
        literals = frozenset(clause)
        shorter = range(1, len(clause) if len(clause) <= LONG else 0)
        if not any(frozenset(some) in found for n in shorter for some in combinations(clause, n)):
            found[literals] = clause
    return tuple(found.values())


# --- candidates ------------------------------------------------------------------------------------------------------


def candidates(machine: Machine) -> Iterator[Clause]:
    """What is worth trying: about single flags, about one agent or tool, and about those that lead to its use."""
    owners = _owners(machine)
    turn, started, over, transferring = _globals(machine)
    yield ((over, False), (turn, False))
    yield ((turn, False), (started, True))
    yield ((transferring, False), (over, False))
    yield ((transferring, False), (turn, True))
    queues = machine.columns_of(escalating(name) for name in machine.encoder.program.queues)
    yield from (((queue, False), (transferring, True), (over, True)) for queue in queues)
    yield ((transferring, False), *((queue, True) for queue in queues))
    program = machine.encoder.program
    for name, queue in zip(program.queues, queues, strict=True):
        tries = machine.columns_of([tried(name)])
        yield from (((flag, False),) for flag in tries[program.queues[name].uses :])
        yield ((queue, False), (tries[0], True), (over, True))
        yield ((tries[0], False), (turn, False), (transferring, True), (over, True))
        yield from (((other, False), (tries[0], False)) for other in queues if other != queue)
    yield from _while_awaited(machine)
    first = [owner.open[0] for owner in owners.values() if owner.open]
    yield from (((flag, False), (turn, True), (over, True)) for flag in first)
    leading_to = _leading_to(program)
    for name, owner in owners.items():
        leading = leading_to[name]
        rare = (*owner.open[1:], *owner.used[1:]) if leading else (*owner.open, *owner.used)
        writes = name in program.tools and program.tools[name].writes
        for flag in (*rare, *owner.owed, *(() if leading and writes else owner.uncertain)):
            yield ((flag, False),)
        for other in leading:
            if other in owners:
                yield from (((flag, False), (use, False)) for flag in owners[other].open[:1] for use in owner.used)
        for flag in (*owner.used, *owner.uncertain, *owner.owed):
            yield ((flag, False), (started, True))
        for flag in (*owner.uncertain, *owner.owed):
            yield ((flag, False), (transferring, True), (over, True))
        for flag, times in zip(owner.open, owner.used, strict=False):
            yield ((flag, False), (times, True), (over, True))
            if name in program.agents:
                yield ((flag, False), (over, False))
                yield ((flag, False), (transferring, False))
    yield from (((flag, False), (other, False)) for i, flag in enumerate(first) for other in first[:i])


def _while_awaited(machine: Machine) -> Iterator[Clause]:
    """That a turn is open only while something is awaited, which is one flag or another."""
    turn, _, over, _ = _globals(machine)
    awaited = machine.mentioned([machine.encoder.awaited])
    if machine.graph.or_(*awaited) == machine.encoder.awaited:
        yield ((turn, False), (over, True), *((flag, True) for flag in awaited))


def _leading_to(program: Program) -> Mapping[str, Iterable[str]]:
    """For each agent and tool, the first words of the events on which it may be used (who answers, of an answer), of
    those on which these may be, and so on."""
    at_once = _leading_at_once(program)
    found = {name: dict(at_once[name]) for name in at_once}
    for led in found.values():
        todo = list(led)
        while todo:
            more = [name for name in at_once.get(todo.pop(), ()) if name not in led]
            led |= dict.fromkeys(more)
            todo += more
    return found


def _leading_at_once(program: Program) -> Mapping[str, dict[str, None]]:
    found: dict[str, dict[str, None]] = {name: {} for name in (*program.agents, *program.tools)}
    for kind, strata in program.strata.items():
        for site in (site for stratum in strata for clause in stratum for site in clause.acts):
            if site.kind in (ActKind.ASK, ActKind.CALL):
                found[site.name][kind.split(" ")[0]] = None
    return found


def _owners(machine: Machine) -> dict[str, _Owner]:
    state, program = machine.encoder.state, machine.encoder.program
    found = {}
    for name in (*program.agents, *program.tools):
        openings = [v for v in (Variable(f"pending {name}"), Variable(f"calls {name}")) if v in state]
        owed = next(each.due for each in machine.encoder.owed if each.name == name)
        uncertain = [v for v in (Variable(f"uncertain {name}"),) if v in state]
        found[name] = _Owner(
            _flags(machine, openings),
            _flags(machine, [used(name), exhausted(name)]),
            _flags(machine, uncertain),
            _flags(machine, [owed] if owed in state else []),
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
