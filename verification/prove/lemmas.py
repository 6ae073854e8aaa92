"""Simple facts that a picture keeps: of all clauses of two flags, those that no step breaks.

They are found by dropping, from all that hold before `start`, whatever a step can break while the others hold, until no
step breaks any. What is left is inductive, so an invariant may be searched among the states where it holds.
"""

from collections.abc import Sequence
from itertools import combinations

from charter.verification.encode.smt import Codes, sort_of
from charter.verification.encode.terms import TRUE, Sort, Term
from charter.verification.prove.facts import Clause, clause_term
from charter.verification.prove.machine import Machine
from charter.verification.prove.pictures import Picture
from charter.verification.prove.solver import Cases, Sat, Unsat
from charter.verification.prove.unroll import Unrolled, at

FEW = 16  # among more columns it takes longer to find them than it helps


def lemmas(machine: Machine, picture: Picture, codes: Codes, budget: int) -> Term:
    """The clauses of two flags that hold in every state that the picture reaches, and are inductive together."""
    graph, kept = machine.graph, picture.kept
    if len(kept) > FEW:
        return TRUE
    left = _initial(machine, [c for c in kept if graph.sort[c] is Sort.BOOL])
    script = Unrolled(machine, codes, {})
    script.place(0, [machine.always(kept), *kept])
    script.step(0, picture.steps, kept)
    for number, clause in enumerate(left):
        script.require(f"h{number}", _spelled(machine, clause, 0))
        script.require(f"x{number}", f"(not {_spelled(machine, clause, 1)})")
    cases = Cases(script.taken(), budget)
    after = {at(graph, column, 1): sort_of(graph.sort[column]) for column in kept}
    numbers = list(range(len(left)))
    while numbers:
        some = f"some{len(numbers)}"
        broken = " ".join(f"x{n}" for n in numbers)
        cases.add(f"(declare-const {some} Bool)\n(assert (=> {some} (or {broken})))")
        answer = cases.ask(["go0", some, *(f"h{n}" for n in numbers)], after)
        if isinstance(answer, Unsat):
            return graph.and_(*(clause_term(graph, left[n]) for n in numbers))
        if not isinstance(answer, Sat):
            return TRUE
        found = answer.values
        numbers = [n for n in numbers if any(found.get(at(graph, c, 1), False) is value for c, value in left[n])]
    return TRUE


def suffices(machine: Machine, picture: Picture, lemma: Term, codes: Codes, budget: int) -> bool:
    """Whether the goal is not missed from any state where the lemma holds."""
    script = Unrolled(machine, codes, {})
    name = script.place(0, [machine.always(picture.kept), lemma, *(c.goes for c in picture.misses)])
    script.one_of("end", "b", [name(c.goes) for c in picture.misses])
    script.require("lemma", name(lemma))
    return isinstance(Cases(script.taken(), budget).ask(["end", "lemma"], {}), Unsat)


def _initial(machine: Machine, flags: Sequence[Term]) -> list[Clause]:
    """All clauses of two flags that hold before `start`."""
    begins = {flag: machine.initial(flag) == TRUE for flag in flags}
    found: list[Clause] = []
    for a, b in combinations(flags, 2):
        for p in (True, False):
            found += [((a, p), (b, q)) for q in (True, False) if begins[a] is p or begins[b] is q]
    return found


def _spelled(machine: Machine, clause: Clause, place: int) -> str:
    names = [(at(machine.graph, column, place), value) for column, value in clause]
    return f"(or {' '.join(name if value else f'(not {name})' for name, value in names)})"
