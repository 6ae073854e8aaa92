"""Which of many clauses hold in every state: those that no kind of event breaks while all the others hold before it.

All are taken to be so, and the steps said as simply as they are then. What a step breaks all the same is dropped, and
the others are looked at again, until no step breaks any that is left. Most is seen without a solver: an event says
what is open, so what else is not, and few of the flags of a clause change.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from charter.dsl.program import EventKind
from charter.verification.encode.smt import Codes
from charter.verification.encode.terms import FALSE, TRUE, Graph, Op, Term
from charter.verification.prove.facts import Clause, Known, clause_term
from charter.verification.prove.machine import Machine
from charter.verification.prove.propagate import contradict
from charter.verification.prove.solver import Cases, Sat, Unclear
from charter.verification.prove.unroll import Unrolled

PIECES, ENOUGH = 8, 40  # a round is looked at in so many pieces at most, each of so many kinds of events at least


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of looking at some kinds of events: the clauses that they break, the kinds that break any, and of the
    others the clauses that they need for it, all by their numbers, as bits."""

    gone: int
    breaking: tuple[EventKind, ...]
    leaning: Mapping[EventKind, int]


Spread: TypeAlias = Callable[[Sequence[Callable[[], Looked]]], Iterable[Looked]]


def in_turn(pieces: Sequence[Callable[[], Looked]]) -> Iterator[Looked]:
    """One piece of work after the other."""
    return (piece() for piece in pieces)


def inductive(
    machine: Machine, clauses: Sequence[Clause], codes: Codes, budget: int, spread: Spread = in_turn
) -> tuple[Clause, ...]:
    """The clauses that hold before `start` and are inductive together. `spread` says where the work is done."""
    alive = tuple(clause for clause in dict.fromkeys(clauses) if _begins(machine, clause))
    number = {clause: n for n, clause in enumerate(alive)}
    leaning: dict[EventKind, int] = {}  # the kinds that break nothing, and the clauses that they need
    again: list[EventKind] = []  # what broke something last, and so may break more
    while len(leaning) < len(machine.kinds):
        kinds, again = again or [kind for kind in machine.kinds if kind not in leaning], []
        look = partial(_looked, machine.supposing(alive), Known(alive), number, codes=codes, budget=budget)
        gone, pieces = 0, max(1, min(PIECES, len(kinds) // ENOUGH))
        for looked in spread([partial(look, kinds[i::pieces]) for i in range(pieces)]):
            gone |= looked.gone
            again += looked.breaking
            leaning |= looked.leaning
        alive = tuple(clause for clause in alive if not gone >> number[clause] & 1)
        leaning = {kind: needs for kind, needs in leaning.items() if not needs & gone}
        again.sort(key=machine.kinds.index)
    return alive


def _looked(
    machine: Machine,
    known: Known,
    number: Mapping[Clause, int],
    kinds: Iterable[EventKind],
    *,
    codes: Codes,
    budget: int,
) -> Looked:
    gone, leaning, breaking = 0, {}, []
    for kind in kinds:
        check = _check(machine, kind, known)
        broken = _broken(machine, check, codes, budget)
        if broken:
            gone |= _bits(number[clause] for clause in broken)
            breaking.append(kind)
        else:
            needs = machine.leans_on(kind, check.near).union(check.holds, check.by)
            leaning[kind] = _bits(number[clause] for clause in needs if clause in number)
        machine.forget(kind)
    return Looked(gone, tuple(breaking), leaning)


def _bits(numbers: Iterable[int]) -> int:
    bits = bytearray()
    for number in numbers:
        bits.extend(bytes(max(0, number // 8 + 1 - len(bits))))
        bits[number // 8] |= 1 << number % 8
    return int.from_bytes(bits, "little")


def still_inductive(
    machine: Machine, clauses: Sequence[Clause], codes: Codes, budget: int, about: Mapping[EventKind, Collection[Term]]
) -> bool:
    """Whether no step of the machine breaks any of the clauses, which it knows, that are about these columns."""
    known = Known(clauses)
    checks = (_check(machine, kind, known, columns) for kind, columns in about.items())
    return not any(_broken(machine, check, codes, budget) for check in checks)


@dataclass(frozen=True, slots=True)
class _Check:
    """A kind of event: when it comes, the columns after it, the clauses that it may break, what may keep them.

    That it breaks no others rests on the values of columns that are `near`, and on clauses: `by` these.
    """

    goes: Term
    after: Mapping[Term, Term]
    breaks: tuple[Clause, ...]
    holds: Mapping[Clause, Term]
    near: Collection[Term]
    by: frozenset[Clause]


def _begins(machine: Machine, clause: Clause) -> bool:
    return any((machine.initial(column) == TRUE) is value for column, value in clause)


def _check(machine: Machine, kind: EventKind, known: Known, about: Collection[Term] | None = None) -> _Check:
    """Of the clauses about anything, or about these columns."""
    graph, coming, changed = machine.graph, machine.coming(kind), machine.changed(kind)
    if coming.comes == FALSE:
        return _Check(FALSE, {}, (), {}, (), frozenset())
    before = {**dict.fromkeys(machine.never, False), **coming.values}
    sure = {column: value for column, value in before.items() if column not in changed}
    asked_of: Collection[Term] = changed if about is None else about
    touched = dict.fromkeys(clause for column in asked_of for clause in known.about(column))
    near = {column for clause in touched for column, _ in clause}
    lost = [clause for clause in touched if _may_be_lost(graph, clause, changed, coming.values, sure)]
    for flag in (column for column in changed if _may_become(graph, column, True, changed, coming.values)):
        apart = known.apart(flag)
        others = apart if flag in asked_of else [other for other in asked_of if other in apart]
        near.update((flag, *others))
        lost += [apart[o] for o in others if sure.get(o) is not False and changed.get(o) != FALSE]
    kept = {clause: _kept(machine, clause, changed, known) for clause in lost}
    breaks = tuple(clause for clause, by in kept.items() if by is None)
    after = {column: changed.get(column, column) for clause in breaks for column, _ in clause}
    seen = machine.mentioned([coming.comes, *after, *after.values()])
    asked = {*changed, *machine.mentioned([coming.comes])}
    holds = known.left(coming.values, seen, asked) if breaks else ()
    said = {clause: coming.simplified(graph, clause_term(graph, clause)) for clause in holds}
    return _Check(coming.comes, after, breaks, said, near, frozenset().union(*(by for by in kept.values() if by)))


def _may_be_lost(
    graph: Graph,
    clause: Clause,
    changed: Mapping[Term, Term],
    before: Mapping[Term, bool],
    sure: Mapping[Term, bool],
) -> bool:
    """Whether a step may take from a clause a value that makes it hold, as far as its terms show by themselves."""
    if any(sure.get(column) is value for column, value in clause):
        return False
    if any(changed.get(column) == (TRUE if value else FALSE) for column, value in clause):
        return False
    return any(_may_become(graph, column, not value, changed, before) for column, value in clause)


def _may_become(
    graph: Graph, column: Term, value: bool, changed: Mapping[Term, Term], before: Mapping[Term, bool]
) -> bool:
    """Whether a step may give a column a value that it did not have, as far as its term shows by itself."""
    then = changed.get(column)
    if then is None or then == (FALSE if value else TRUE) or before.get(column) is value:
        return False
    return not (graph.op[then] is (Op.AND if value else Op.OR) and column in graph.args[then])


def _kept(machine: Machine, clause: Clause, changed: Mapping[Term, Term], known: Known) -> frozenset[Clause] | None:
    """The clauses that keep a step from breaking this one, where one thing after the other shows it."""
    graph = machine.graph
    after = [(changed.get(column, column), not value) for column, value in clause]
    if contradict(graph, after):
        return frozenset()
    follows = known.remembered({column: not value for column, value in clause if column not in changed})
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
    here = machine.graph.and_(check.goes, *check.holds.values())
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
