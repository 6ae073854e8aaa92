"""One kind of event seen through a few columns of the state: everything else may be anything.

What is not kept is an *input*: it may have any value before each step. So whatever only inputs decide can be said more
simply: a sub-formula whose inputs are used nowhere else is one free condition; an input that can only help a step to
happen helps it. Kinds of events that are then the same formula are one class.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from charter.verification.encode.symbols import Column, known_of
from charter.verification.encode.terms import Graph, Op, Sort, Term, mentioned, substituted
from charter.verification.prove.free import free_conditions, given, helping, merged

INPUT = "?"  # what the names of anonymous inputs begin with


View: TypeAlias = tuple[Term, ...]
Rule: TypeAlias = Callable[[Graph, Sequence[Term], frozenset[Term]], dict[Term, Term]]


class Views:
    """Views of terms over some columns. Each is made once for all roots that differ in nothing but their inputs."""

    def __init__(self, graph: Graph, columns: Mapping[str, Column]) -> None:
        self._graph = graph
        self._columns = columns
        self._made: dict[tuple[object, ...], View] = {}
        self._looks: dict[Term, tuple[object, Term | None]] = {}
        self._shared: dict[tuple[View, int, bool], View] = {}

    def shared(self, roots: View, near: int, like: Mapping[Term, Term], *, exact: bool) -> View:
        """As `of`, where these inputs are kept: roots that differ only in flags that stand for each other, by `like`,
        are looked at once."""
        key = roots, near, exact
        if key not in self._shared:
            self._shared[key] = self._as_another(roots, near, like, exact=exact) or self.of(
                roots, self._graph.named_by(near), exact=exact
            )
        return self._shared[key]

    def of(self, roots: View, kept: Iterable[Term], *, exact: bool) -> View:
        """The roots with everything that is not kept replaced by anonymous inputs; what was possible still is.

        The first root is a condition that is only ever asked for: it holds, whatever the others are. `exact`: nothing
        is said more simply.
        """
        keeps = frozenset(kept)
        alike = exact, *self._likeness(roots, keeps)
        if alike not in self._made:
            self._made[alike] = self._anonymous(roots, keeps) if exact else self._simple(roots, keeps)
        return self._made[alike]

    def _as_another(self, roots: View, near: int, like: Mapping[Term, Term], *, exact: bool) -> View | None:
        """The view, seen with the flags that stand for its own; None where there are none, or both are about."""
        graph = self._graph
        stands = {flag: like.get(flag, flag) for flag in graph.named_by(near)}
        own = {flag: other for flag, other in stands.items() if flag != other}
        back = {other: flag for flag, other in own.items()}
        if not own or len(back) < len(own) or graph.inputs_of(roots) & graph.inputs_of(back):
            return None
        others = tuple(substituted(graph, roots, own, graph.inputs_of(own)))
        view = self.shared(others, graph.inputs_of(others) & graph.inputs_of(stands.values()), like, exact=exact)
        return tuple(substituted(graph, view, back, graph.inputs_of(back)))

    def _simple(self, roots: View, kept: frozenset[Term]) -> View:
        """Said more simply; more roots are alike once inputs that are used once are one."""
        found = _replaced(self._graph, roots, merged, kept)
        alike = False, *self._likeness(found, kept)
        if alike not in self._made:
            self._made[alike] = self._anonymous(_simplified(self._graph, found, kept), kept)
        return self._made[alike]

    def _anonymous(self, roots: View, kept: frozenset[Term]) -> View:
        graph, columns = self._graph, self._columns
        inputs = [t for t in mentioned(graph, roots) if graph.op[t] is Op.VAR and t not in kept]
        real = [t for t in inputs if graph.name(t) in columns]
        known = [fact for fact in known_of(graph, (*kept, *real), columns) if _mentions(graph, fact, real)]
        return _renamed(graph, (graph.and_(roots[0], *known), *roots[1:]), kept)

    def _likeness(self, roots: View, kept: frozenset[Term]) -> tuple[object, ...]:
        """The same for roots that differ in nothing but which inputs they mention."""
        graph = self._graph
        places: dict[Term, int] = {}
        found: list[object] = []
        for term in mentioned(graph, roots):
            op = graph.op[term]
            if op is not Op.VAR:
                found.append((op, graph.data[term], graph.sort[term], *[places[arg] for arg in graph.args[term]]))
            elif term in kept:
                found.append(term)
            else:
                look, below = self._looks.get(term) or self._look(term)
                found.append(look if below is None else (look, places.get(below, -1)))
            places[term] = len(places)
        return (*found, *(places[root] for root in roots))

    def _look(self, input_: Term) -> tuple[object, Term | None]:
        """What an input can be, and the flag that holds wherever it does."""
        graph, column = self._graph, self._columns.get(self._graph.name(input_))
        if column is None:
            return (graph.sort[input_],), None
        below = None if column.below is None else graph.var(column.below, Sort.BOOL)
        self._looks[input_] = (graph.sort[input_], column.low, column.high, column.longest), below
        return self._looks[input_]


def _simplified(graph: Graph, roots: View, kept: frozenset[Term]) -> View:
    while True:
        found = given(graph, roots)
        for rule in (helping, free_conditions, merged):
            found = _replaced(graph, found, rule, kept)
        if found == roots:
            return roots
        roots = found


def _replaced(graph: Graph, roots: View, rule: Rule, kept: frozenset[Term]) -> View:
    by = rule(graph, roots, kept)
    return tuple(substituted(graph, roots, by)) if by else roots


def _mentions(graph: Graph, term: Term, variables: Iterable[Term]) -> bool:
    return any(graph.inputs[term] & graph.inputs[variable] for variable in variables)


def _renamed(graph: Graph, roots: tuple[Term, ...], kept: frozenset[Term]) -> tuple[Term, ...]:
    """Inputs numbered in the order in which they are met, so that views of one shape are the same terms."""
    shapes = _shapes(graph, roots, kept)
    names: dict[Term, Term] = {}
    seen: set[Term] = set()
    todo = list(reversed(roots))
    while todo:
        term = todo.pop()
        if term in seen:
            continue
        seen.add(term)
        if graph.op[term] is Op.VAR and term not in kept:
            names[term] = graph.var(f"{INPUT}{len(names)}{graph.sort[term].value[0]}", graph.sort[term])
        args = graph.args[term]
        ordered = sorted(args, key=lambda arg: (shapes[arg], arg)) if graph.op[term] in (Op.AND, Op.OR, Op.EQ) else args
        todo.extend(reversed(ordered))
    return tuple(substituted(graph, roots, names))


def _shapes(graph: Graph, roots: Iterable[Term], kept: frozenset[Term]) -> dict[Term, int]:
    """A number for the shape of each term: the same for terms that differ in their inputs only."""
    shapes: dict[Term, int] = {}
    numbers: dict[object, int] = {}
    for term in mentioned(graph, roots):
        op = graph.op[term]
        key: object
        if op is Op.VAR:
            key = term if term in kept else graph.sort[term].value
        else:
            args = [shapes[arg] for arg in graph.args[term]]
            args = sorted(args) if op in (Op.AND, Op.OR, Op.EQ) else args
            key = op.value, str(graph.data[term]), *args
        shapes[term] = numbers.setdefault(key, len(numbers))
    return shapes
