"""What is known of every state of a program before any goal is pursued."""

from dataclasses import dataclass

from charter.dsl.program import EventKind
from charter.verification.terms import Graph, Term

Clause = tuple[tuple[Term, bool], ...]  # columns, each with the value that makes the clause hold


@dataclass(frozen=True, slots=True)
class Facts:
    """`needing_start`: events that come only once the conversation has started. `clauses` hold in every state."""

    needing_start: frozenset[EventKind] = frozenset()
    clauses: tuple[Clause, ...] = ()

    @property
    def never(self) -> frozenset[Term]:
        """The flags that never hold."""
        return frozenset(clause[0][0] for clause in self.clauses if len(clause) == 1 and not clause[0][1])


class Known:
    """The clauses as terms, found by the columns that they are about; columns are bits, as in `Graph.inputs`."""

    def __init__(self, graph: Graph, facts: Facts) -> None:
        terms = [clause_term(graph, clause) for clause in facts.clauses]
        self._all = [(graph.inputs[term], term) for term in terms]
        self._near: dict[int, list[tuple[int, Term]]] = {}

    def within(self, columns: int) -> list[Term]:
        """The clauses about these columns only."""
        return [term for bits, term in self._all if not bits & ~columns]

    def between(self, some: int, others: int) -> list[Term]:
        """The clauses about columns of both, and no more."""
        if some not in self._near:
            self._near[some] = [each for each in self._all if each[0] & some]
        return [term for bits, term in self._near[some] if bits & others and not bits & ~(some | others)]


def clause_term(graph: Graph, clause: Clause) -> Term:
    """A clause as a term."""
    return graph.or_(*(column if value else graph.not_(column) for column, value in clause))
