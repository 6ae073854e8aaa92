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
    """The clauses, found by what they are about; most say of two flags that not both hold, which are `apart`."""

    def __init__(self, clauses: Iterable[Clause]) -> None:
        self._apart: dict[Term, dict[Term, Clause]] = {}
        self._about: dict[Term, list[Clause]] = {}  # the others
        self._following: dict[tuple[tuple[Term, bool], ...], Following] = {}
        self._terms: dict[Clause, Term] = {}
        for clause in clauses:
            if _is_apart(clause):
                (one, _), (other, _) = clause
                self._apart.setdefault(one, {})[other] = clause
                self._apart.setdefault(other, {})[one] = clause
                continue
            for column, _ in clause:
                self._about.setdefault(column, []).append(clause)

    def apart(self, flag: Term) -> Mapping[Term, Clause]:
        """The flags that do not hold beside this one, each with the clause that says so."""
        return self._apart.get(flag, {})

    def about(self, column: Term) -> Iterable[Clause]:
        """The other clauses that mention a column."""
        return self._about.get(column, ())

    def within(self, graph: Graph, columns: Iterable[Term]) -> Iterator[Term]:
        """The clauses about these columns only, as terms: in few words of many flags of which any two are apart."""
        here = frozenset(columns)
        for clause in (clause for column in sorted(here) for clause in self._by_rarest.get(column, ())):
            if here.issuperset(column for column, _ in clause):
                yield self._term(graph, clause)
        apart = {flag: self._apart[flag].keys() & here for flag in sorted(here.intersection(self._apart))}
        left = {flag: others for flag, others in apart.items() if others}
        while left:
            yield from _at_most_one(graph, _taken_out(left))

    def _term(self, graph: Graph, clause: Clause) -> Term:
        """The clause as a term, which is asked for again and again."""
        found = self._terms.get(clause)
        if found is None:
            found = self._terms[clause] = clause_term(graph, clause)
        return found

    @cached_property
    def _by_rarest(self) -> Mapping[Term, Sequence[Clause]]:
        """The other clauses, by that of its columns which the fewest of them mention."""
        found: dict[Term, list[Clause]] = {}
        for clause in self._others():
            found.setdefault(self._rarest(clause)[0][0], []).append(clause)
        return found

    @cached_property
    def _watched(self) -> Mapping[tuple[Term, bool], Sequence[Clause]]:
        """The other clauses by values that hurt them. One can only tell a value where one of its two rarest columns has
        such a value."""
        found: dict[tuple[Term, bool], list[Clause]] = {}
        for clause in self._others():
            for column, value in self._rarest(clause)[:2]:
                found.setdefault((column, not value), []).append(clause)
        return found

    def _others(self) -> Iterable[Clause]:
        return dict.fromkeys(clause for clauses in self._about.values() for clause in clauses)

    def _rarest(self, clause: Clause) -> Sequence[tuple[Term, bool]]:
        return sorted(clause, key=lambda literal: len(self._about[literal[0]]))

    def left(self, values: Mapping[Term, bool], columns: Iterable[Term], touched: Iterable[Term]) -> Iterator[Clause]:
        """What clauses still say of these columns where others have values: of those that mention one that is touched
        or has a value that does not help."""
        here, touched = {column for column in columns if column not in values}, frozenset(touched)
        for clause in dict.fromkeys(clause for column in sorted(here) for clause in self.about(column)):
            left = _left(clause, values)
            if left is None or not here.issuperset(column for column, _ in left):
                continue
            if len(left) < len(clause) or not touched.isdisjoint(column for column, _ in clause):
                yield clause
        near = dict.fromkeys(sorted(touched & here))
        near |= dict.fromkeys(flag for flag, value in values.items() if value)
        apart = (self.apart(flag) for flag in near)
        yield from dict.fromkeys(others[other] for others in apart for other in others.keys() & here)

    def remembered(self, values: Mapping[Term, bool]) -> Following:
        """What follows from values that are asked about again and again."""
        given = tuple(values.items())
        if given not in self._following:
            self._following[given] = self.following(values)
        return self._following[given]

    def following(self, values: Mapping[Term, bool]) -> Following:
        """What is so wherever columns have these values, by one clause after the other."""
        found = dict(values)
        by: dict[Term, Clause] = {}
        todo = list(found.items())
        also: dict[tuple[Term, bool], list[Clause]] = {}  # clauses that have lost one of their two rarest columns
        while todo:
            flag, holds = todo.pop()
            for other, clause in self.apart(flag).items() if holds else ():
                if found.get(other):
                    return Following(found, by, clause)
                if other not in found:
                    found[other], by[other] = False, clause
                    todo.append((other, False))
            for clause in (*self._watched.get((flag, holds), ()), *also.pop((flag, holds), ())):
                match _left(clause, found):
                    case []:
                        return Following(found, by, clause)
                    case [(column, value)]:
                        found[column], by[column] = value, clause
                        todo.append((column, value))
                    case [*left]:
                        for column, value in left[:2]:
                            also.setdefault((column, not value), []).append(clause)
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
