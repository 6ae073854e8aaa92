"""What is known of every state of a program before any goal is pursued."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from charter.dsl.program import EventKind
from charter.verification.encode.terms import Graph, Term

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


@dataclass(frozen=True, slots=True)
class Following:
    """Values of columns with all that follows of them, each `by` a clause where it was not given.

    `against`: the clause that cannot hold then.
    """

    values: dict[Term, bool]
    by: dict[Term, Clause]
    against: Clause | None

    def reasons(self, columns: Iterable[Term]) -> frozenset[Clause]:
        """The clauses that the values of these columns follow from."""
        found: set[Clause] = set() if self.against is None else {self.against}
        todo = [*columns, *(column for clause in found for column, _ in clause)]
        while todo:
            clause = self.by.get(todo.pop())
            if clause is not None and clause not in found:
                found.add(clause)
                todo += (column for column, _ in clause)
        return frozenset(found)


class Known:
    """The clauses, found by what they are about."""

    def __init__(self, clauses: Iterable[Clause]) -> None:
        self._about: dict[Term, list[Clause]] = {}
        self._hurt: dict[tuple[Term, bool], list[Clause]] = {}  # by values of a column that do not help them
        self._following: dict[tuple[tuple[Term, bool], ...], Following] = {}
        self._apart: dict[Term, set[Term]] = {}  # flags, each with those that do not hold beside it
        self._others: list[Clause] = []
        for clause in clauses:
            if _is_apart(clause):
                (one, _), (other, _) = clause
                self._apart.setdefault(one, set()).add(other)
                self._apart.setdefault(other, set()).add(one)
            else:
                self._others.append(clause)
            for column, value in clause:
                self._about.setdefault(column, []).append(clause)
                self._hurt.setdefault((column, not value), []).append(clause)

    def about(self, column: Term) -> Iterable[Clause]:
        """The clauses that mention a column."""
        return self._about.get(column, ())

    def within(self, graph: Graph, columns: Iterable[Term]) -> Iterator[Term]:
        """The clauses about these columns only, as terms: in few words of many flags that no two of them hold at once."""
        here = frozenset(columns)
        for clause in (clause for column in sorted(here) for clause in self._by_rarest.get(column, ())):
            if here.issuperset(column for column, _ in clause):
                yield clause_term(graph, clause)
        apart = {flag: self._apart[flag] & here for flag in sorted(here.intersection(self._apart))}
        left = {flag: others for flag, others in apart.items() if others}
        while left:
            yield from _at_most_one(graph, _taken_out(left))

    @cached_property
    def _by_rarest(self) -> Mapping[Term, Sequence[Clause]]:
        """The clauses but for those of two flags apart, by that of its columns which the fewest are about."""
        found: dict[Term, list[Clause]] = {}
        for clause in self._others:
            rarest = min((len(self._about[column]), column) for column, _ in clause)[1]
            found.setdefault(rarest, []).append(clause)
        return found

    def left(self, values: Mapping[Term, bool], columns: Iterable[Term], touched: Iterable[Term]) -> Iterator[Clause]:
        """What clauses still say of these columns where others have values: of those that mention one that is touched
        or has a value that does not help."""
        here = {column for column in columns if column not in values}
        clauses = dict.fromkeys(clause for column in touched for clause in self.about(column))
        clauses |= dict.fromkeys(clause for value in values.items() for clause in self._hurt.get(value, ()))
        for clause in clauses:
            left = _left(clause, values)
            if left is not None and here.issuperset(column for column, _ in left):
                yield clause

    def following(self, values: Mapping[Term, bool]) -> Following:
        """What is so wherever columns have these values, by one clause after the other."""
        given = tuple(values.items())
        if given not in self._following:
            self._following[given] = self._followed(values)
        return self._following[given]

    def _followed(self, values: Mapping[Term, bool]) -> Following:
        found = dict(values)
        by: dict[Term, Clause] = {}
        todo = list(found.items())
        while todo:
            for clause in self._hurt.get(todo.pop(), ()):
                left = _left(clause, found)
                if left == []:
                    return Following(found, by, clause)
                if left is not None and len(left) == 1:
                    column, value = left[0]
                    found[column], by[column] = value, clause
                    todo.append(left[0])
        return Following(found, by, None)


def _left(clause: Clause, values: Mapping[Term, bool]) -> list[tuple[Term, bool]] | None:
    """What may still make a clause hold; None where something does."""
    left = []
    for column, value in clause:
        known = values.get(column)
        if known is value:
            return None
        if known is None:
            left.append((column, value))
    return left


def _is_apart(clause: Clause) -> bool:
    """Whether it says of two flags that not both hold."""
    return len(clause) == 2 and not clause[0][1] and not clause[1][1]


def _taken_out(apart: dict[Term, set[Term]]) -> list[Term]:
    """Flags of which each is apart from each other one; their pairs are taken out."""
    first = min(apart)
    group = [first]
    for flag in sorted(apart[first]):
        if apart[flag].issuperset(group):
            group.append(flag)
    for flag in group:
        apart[flag].difference_update(group)
        if not apart[flag]:
            del apart[flag]
    return group


def _at_most_one(graph: Graph, flags: list[Term]) -> Iterator[Term]:
    """That at most one of them holds: of one half, or of the other one."""
    if len(flags) > 1:
        half, rest = flags[: len(flags) // 2], flags[len(flags) // 2 :]
        yield graph.not_(graph.and_(graph.or_(*half), graph.or_(*rest)))
        yield from _at_most_one(graph, half)
        yield from _at_most_one(graph, rest)


def clause_term(graph: Graph, clause: Clause) -> Term:
    """A clause as a term."""
    return graph.or_(*(column if value else graph.not_(column) for column, value in clause))
