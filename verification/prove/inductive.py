"""Which of many clauses hold in every state: those that no kind of event breaks while all the others hold before it.

All are taken to be so, and the steps said as simply as they are then. What a step breaks all the same is dropped, and
the others are looked at again, until no step breaks any that is left. Most is seen without a solver: an event says
what is open, so what else is not, and few of the flags of a clause change.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from charter.dsl.program import EventKind
from charter.verification.encode.smt import Codes
from charter.verification.encode.terms import FALSE, TRUE, Op, Term
from charter.verification.prove.facts import Clause, Known, clause_term
from charter.verification.prove.machine import Machine
from charter.verification.prove.propagate import contradict
from charter.verification.prove.solver import Cases, Sat, Unclear
from charter.verification.prove.unroll import Unrolled


def inductive(machine: Machine, clauses: Sequence[Clause], codes: Codes, budget: int) -> tuple[Clause, ...]:
    """The clauses that hold before `start` and are inductive together."""
    alive = tuple(clause for clause in dict.fromkeys(clauses) if _begins(machine, clause))
    leaning: dict[EventKind, frozenset[Clause]] = {}  # the kinds that break nothing, and the clauses that they need
    again: list[EventKind] = []  # what broke something last, and so may break more
    while len(leaning) < len(machine.kinds):
        supposing, known = machine.supposing(alive), Known(alive)
        gone: set[Clause] = set()
        kinds, again = again or [kind for kind in machine.kinds if kind not in leaning], []
        for kind in kinds:
            check = _check(supposing, kind, known)
            broken = _broken(supposing, check, codes, budget)
            gone |= broken
            if broken:
                again.append(kind)
            else:
                leaning[kind] = check.leans_on
        alive = tuple(clause for clause in alive if clause not in gone)
        leaning = {kind: needs for kind, needs in leaning.items() if needs.isdisjoint(gone)}
    return alive


def still_inductive(
    machine: Machine, clauses: Sequence[Clause], codes: Codes, budget: int, about: Mapping[EventKind, Container[Term]]
) -> bool:
    """Whether no step of the machine breaks any of the clauses, which it knows, that are about these columns."""
    known = Known(clauses)
    checks = (_check(machine, kind, known, columns) for kind, columns in about.items())
    return not any(_broken(machine, check, codes, budget) for check in checks)


@dataclass(frozen=True, slots=True)
class _Check:
    """A kind of event: when it comes, the columns after it, the clauses that it may break, what may keep them."""

    goes: Term
    after: Mapping[Term, Term]
    breaks: tuple[Clause, ...]
    holds: Sequence[Term]
    leans_on: frozenset[Clause]


def _begins(machine: Machine, clause: Clause) -> bool:
    return any((machine.initial(column) == TRUE) is value for column, value in clause)


def _check(machine: Machine, kind: EventKind, known: Known, about: Container[Term] | None = None) -> _Check:
    coming, changed = machine.coming(kind), machine.changed(kind)
    if coming.comes == FALSE:
        return _Check(FALSE, {}, (), (), machine.leans_on(kind, ()))
    asked_of = [column for column in changed if about is None or column in about]
    touched = dict.fromkeys(clause for column in asked_of for clause in known.about(column))
    before = {**dict.fromkeys(machine.never, False), **coming.values}
    sure = {column: value for column, value in before.items() if column not in changed}
    lost = [clause for clause in touched if _may_be_lost(machine, clause, changed, coming.values, sure)]
    kept = {clause: _kept(machine, clause, changed, known) for clause in lost}
    breaks = tuple(clause for clause, by in kept.items() if by is None)
    after = {column: changed.get(column, column) for clause in breaks for column, _ in clause}
    near = machine.mentioned([coming.comes, *after, *after.values()])
    asked = {*changed, *machine.mentioned([coming.comes])}
    holds = list(known.left(coming.values, near, asked)) if breaks else []
    leans_on = machine.leans_on(kind, (column for clause in touched for column, _ in clause))
    said = [coming.simplified(machine.graph, clause_term(machine.graph, clause)) for clause in holds]
    return _Check(coming.comes, after, breaks, said, leans_on.union(holds, *(by for by in kept.values() if by)))


def _may_be_lost(
    machine: Machine,
    clause: Clause,
    changed: Mapping[Term, Term],
    before: Mapping[Term, bool],
    sure: Mapping[Term, bool],
) -> bool:
    """Whether a step may take from a clause a value that makes it hold, as far as its terms show by themselves."""
    if any(sure.get(column) is value for column, value in clause):
        return False
    graph = machine.graph
    for column, value in clause:
        if column in changed and before.get(column, value) is value:
            then = changed[column]
            if then == (TRUE if value else FALSE):
                return False
            if not (graph.op[then] is (Op.OR if value else Op.AND) and column in graph.args[then]):
                return True
    return False


def _kept(machine: Machine, clause: Clause, changed: Mapping[Term, Term], known: Known) -> frozenset[Clause] | None:
    """The clauses that keep a step from breaking this one, where one thing after the other shows it."""
    graph = machine.graph
    after = [(changed.get(column, column), not value) for column, value in clause]
    if contradict(graph, after):
        return frozenset()
    follows = known.following({column: not value for column, value in clause if column not in changed})
    if follows.against is not None:
        return follows.reasons(())
    asked = machine.mentioned(then for then, _ in after)
    values = [(column, follows.values[column]) for column in asked if column in follows.values]
    return follows.reasons(column for column, _ in values) if contradict(graph, [*values, *after]) else None


def _broken(machine: Machine, check: _Check, codes: Codes, budget: int) -> set[Clause]:
    """The clauses that the event breaks while all that may help hold before it."""
    if not check.breaks:
        return set()
    script = Unrolled(machine, codes, {})
    before = {clause: clause_term(machine.graph, clause) for clause in check.breaks}
    here = machine.graph.and_(check.goes, *check.holds)
    name = script.place(0, [here, *before.values(), *check.after.values()])
    script.require("here", name(here))
    for column, after in check.after.items():
        script.call(f"a{column}", name(after))
    for n, clause in enumerate(check.breaks):
        kept = (f"a{column}" if value else f"(not a{column})" for column, value in clause)
        script.require(f"x{n}", f"(and {name(before[clause])} (not (or {' '.join(kept)} false)))")
    script.require("some", f"(or {' '.join(f'x{n}' for n in range(len(check.breaks)))})")
    cases = Cases(script.taken(), budget)
    return set(_cases(cases, check))


def _cases(cases: Cases, check: _Check) -> Iterator[Clause]:
    """What the solver can break, case by case."""
    wanted = {f"a{column}": "Bool" for column in check.after}
    left = dict(enumerate(check.breaks))
    while left:
        answer = cases.ask(["here", "some"], wanted)
        if isinstance(answer, Unclear):
            yield from left.values()
        if not isinstance(answer, Sat):
            return
        values = answer.values
        new = [n for n, c in left.items() if not any(values.get(f"a{column}", False) is value for column, value in c)]
        yield from (left.pop(n) for n in new)
        cases.add("\n".join(f"(assert (not x{n}))" for n in new))
