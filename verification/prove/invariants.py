"""What the prover found, as a certificate says it: invariants over columns of the state by their names.

The prover lays small numbers out as rows of flags, `used classify>0`; in a certificate they are numbers again.
"""

import re
from collections.abc import Iterable, Sequence

from charter.dsl.program import Program
from charter.verification.certificate.file import Certificate, Unproved, certificate
from charter.verification.encode.smt import codes_of
from charter.verification.encode.terms import Graph
from charter.verification.prove.facts import Clause
from charter.verification.prove.verdicts import Invariant, Proved, Result

FACTS = "what is known of every state"

_NAME = re.compile(r"(?<![^\s()])k(\d+)(?![^\s()])")


def certified(program: Program, results: Iterable[Result]) -> Certificate | Unproved:
    """The certificate of a policy where everything that has to be proved is."""
    proved = {each.name: each.verdict.invariants for each in results if isinstance(each.verdict, Proved)}
    every = [invariant for found in proved.values() for invariant in found]
    facts = dict.fromkeys(spelled(each) for each in every if each.case == FACTS)
    claims = {name: [spelled(each) for each in found if each.case != FACTS] for name, found in proved.items()}
    return certificate(program, claims, tuple(facts), codes_of(program).numbers)


def spelled(invariant: Invariant) -> str:
    """The invariant as one term over `|column|`s; ids and texts in it are the numbers of `codes_of`."""
    return _NAME.sub(lambda found: _column(invariant.columns[int(found[1])]), invariant.text)


def of_facts(graph: Graph, clauses: Sequence[Clause]) -> Invariant:
    """What proofs may lean on besides: it is part of each of them."""
    columns = sorted({column for clause in clauses for column, _ in clause})
    names = {column: f"k{place}" for place, column in enumerate(columns)}
    spelled_out = (
        " ".join(names[column] if value else f"(not {names[column]})" for column, value in clause) for clause in clauses
    )
    text = f"(and true {' '.join(f'(or {each})' for each in spelled_out)})"
    return Invariant(FACTS, text, tuple(graph.name(column) for column in columns), ())


def _column(name: str) -> str:
    number, row, bound = name.rpartition(">")
    if not row:
        return f"|{name}|"
    return f"(> |{number}| {bound if int(bound) >= 0 else f'(- {-int(bound)})'})"
