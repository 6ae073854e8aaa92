"""Which of many clauses hold in every state: those that no kind of event breaks while all the others hold before it.

Candidates are dropped until no step breaks any that is left. A clause is about flags of the state, or about terms over
them. Each kind of event is asked only about the clauses that it may break, with those beside them that say something
of the same flags.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from charter.dsl.program import EventKind
from charter.verification.facts import Clause, clause_term
from charter.verification.machine import Machine
from charter.verification.smt import Codes
from charter.verification.solver import Cases, Sat, Unclear
from charter.verification.terms import FALSE, TRUE, Op, Term, substituted
from charter.verification.unroll import Unrolled

FEW = 4  # a clause about so many flags of its own says little of each


def inductive(
    machine: Machine, clauses: Sequence[Clause], everywhere: Set[Term], codes: Codes, budget: int
) -> tuple[Clause, ...]:
    """The clauses that hold before `start` and are inductive together; `everywhere`: flags that most mention."""
    left = [clause for clause in dict.fromkeys(clauses) if _begins(machine, clause)]
    terms = [clause_term(machine.graph, clause) for clause in left]
    checks = [_check(machine, kind, left, everywhere) for kind in machine.kinds]
    alive = frozenset(range(len(left)))
    again = [check for check in checks if check.breaks]
    while again:
        gone: set[int] = set()
        for check in again:
            gone |= _dropped(machine, check, left, terms, alive - gone, codes, budget)
        alive -= gone
        again = [check for check in checks if check.breaks & alive and check.holds & gone]
    return tuple(left[number] for number in sorted(alive))


@dataclass(frozen=True, slots=True)
class _Check:
    """A kind of event: the clauses that it may break, and those that may keep it from that; terms after it."""

    goes: Term
    after: Mapping[Term, Term]
    breaks: frozenset[int]
    holds: frozenset[int]


def _begins(machine: Machine, clause: Clause) -> bool:
    first = {column: machine.initial(column) for column in machine.mentioned(term for term, _ in clause)}
    return any((_now(machine, term, first) == TRUE) is value for term, value in clause)


def _check(machine: Machine, kind: EventKind, clauses: Sequence[Clause], everywhere: Set[Term]) -> _Check:
    literals = dict.fromkeys(literal for clause in clauses for literal in clause)
    columns = {column: machine.after(kind, column) for column in machine.mentioned(term for term, _ in literals)}
    after = {term: columns[term] if term in columns else _now(machine, term, columns) for term, _ in literals}
    sure = {(term, value) for term, value in literals if after[term] == (TRUE if value else FALSE)}
    lost = {(term, value) for term, value in literals if _may_be_lost(machine, term, after[term], value)}
    goes = machine.goes(kind, ())
    breaks = {n for n, clause in enumerate(clauses) if not lost.isdisjoint(clause) and sure.isdisjoint(clause)}
    asked = set(machine.mentioned([goes])) - everywhere
    own = [
        {column for column in machine.mentioned(t for t, _ in clause) if column not in everywhere} for clause in clauses
    ]
    few = {column for number in breaks if len(own[number]) < FEW for column in own[number]}
    near = asked | few | set(machine.mentioned(columns[column] for column in few))
    holds = {
        n for n, about in enumerate(own) if near.issuperset(about) and (len(about) < 2 or not asked.isdisjoint(about))
    }
    return _Check(goes, after, frozenset(breaks), frozenset(holds | breaks))


def _may_be_lost(machine: Machine, term: Term, after: Term, value: bool) -> bool:
    """Whether a step may take this value from a term that has it."""
    graph = machine.graph
    if after == term or after == (TRUE if value else FALSE):
        return False
    return not (graph.op[after] is (Op.OR if value else Op.AND) and term in graph.args[after])


def _dropped(
    machine: Machine,
    check: _Check,
    clauses: Sequence[Clause],
    spelled: Sequence[Term],
    alive: Set[int],
    codes: Codes,
    budget: int,
) -> set[int]:
    """The clauses that the event breaks while all that are alive hold before it."""
    left = sorted(check.breaks & alive)
    if not left:
        return set()
    script = Unrolled(machine, codes, {})
    terms = sorted({term for number in left for term, _ in clauses[number]})
    before = sorted(check.holds & alive)
    name = script.place(
        0, [check.goes, *(spelled[number] for number in before), *(check.after[term] for term in terms)]
    )
    script.require("go", name(check.goes))
    for number in before:
        script.require(f"h{number}", name(spelled[number]))
    for term in terms:
        script.call(f"a{term}", name(check.after[term]))
    for number in left:
        kept = (f"a{term}" if value else f"(not a{term})" for term, value in clauses[number])
        script.require(f"x{number}", f"(not (or {' '.join(kept)} false))")
    script.require("some", f"(or {' '.join(f'x{number}' for number in left)})")
    cases = Cases(script.taken(), budget)
    wanted = {f"a{term}": "Bool" for term in terms}
    gone: set[int] = set()
    while True:
        held = f"held{len(gone)}"
        holds = " ".join(f"h{number}" for number in sorted(check.holds & alive - gone))
        cases.add(f"(declare-const {held} Bool)\n(assert (=> {held} (and true {holds})))")
        answer = cases.ask(["go", "some", held], wanted)
        if isinstance(answer, Unclear):
            return set(left)
        if not isinstance(answer, Sat):
            return gone
        values = {term: answer.values.get(f"a{term}", False) for term in terms}
        new = {n for n in left if n not in gone and not any(values[term] is value for term, value in clauses[n])}
        gone |= new
        cases.add("\n".join(f"(assert (not x{number}))" for number in sorted(new)))


def _now(machine: Machine, term: Term, values: Mapping[Term, Term]) -> Term:
    return substituted(machine.graph, [term], dict(values))[0]
