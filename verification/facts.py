"""What is known of every state of a program before any goal is pursued."""

from collections.abc import Iterable, Set
from dataclasses import dataclass

from charter.dsl.program import EventKind
from charter.verification.terms import Term

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

    def linking(self, some: Set[Term], others: Set[Term]) -> tuple[Clause, ...]:
        """The clauses about columns of both, and no more."""
        return tuple(
            clause
            for clause in self.clauses
            if all(column in some or column in others for column, _ in clause)
            and any(column in some for column, _ in clause)
            and any(column in others for column, _ in clause)
        )

    def among(self, columns: Iterable[Term]) -> tuple[Clause, ...]:
        """The clauses about these columns only."""
        here = frozenset(columns)
        return tuple(clause for clause in self.clauses if all(column in here for column, _ in clause))
