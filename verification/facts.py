"""What is known of every state of a program before any goal is pursued."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import cached_property

from charter.dsl.program import EventKind
from charter.verification.terms import Term

Clause = tuple[tuple[Term, bool], ...]  # columns, each with the value that makes the clause hold


@dataclass(frozen=True)
class Facts:
    """`needing_start`: events that come only once the conversation has started. `clauses` hold in every state."""

    needing_start: frozenset[EventKind] = frozenset()
    clauses: tuple[Clause, ...] = ()

    @cached_property
    def _about(self) -> dict[Term, list[int]]:
        """The places of the clauses about each column."""
        found: dict[Term, list[int]] = {}
        for number, clause in enumerate(self.clauses):
            for column, _ in clause:
                found.setdefault(column, []).append(number)
        return found

    @property
    def never(self) -> frozenset[Term]:
        """The flags that never hold."""
        return frozenset(clause[0][0] for clause in self.clauses if len(clause) == 1 and not clause[0][1])

    def linking(self, some: Set[Term], others: Set[Term]) -> tuple[Clause, ...]:
        """The clauses about columns of both, and no more."""
        near = {number for column in some for number in self._about.get(column, ())}
        either = some | others
        return tuple(
            clause
            for clause in (self.clauses[number] for number in sorted(near))
            if all(column in either for column, _ in clause) and any(column in others for column, _ in clause)
        )

    def among(self, columns: Iterable[Term]) -> tuple[Clause, ...]:
        """The clauses about these columns only."""
        here = frozenset(columns)
        return self.linking(here, here)
