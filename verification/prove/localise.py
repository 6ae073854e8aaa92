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
Views: TypeAlias = dict[tuple[object, ...], View]


def localised(
    graph: Graph,
    roots: Sequence[Term],
    kept: Iterable[Term],
    columns: Mapping[str, Column],
    made: Views,
    *,
    exact: bool,
) -> View:
    """The roots with everything that is not kept replaced by anonymous inputs; what was possible still is.

    The first root is a condition that is only ever asked for: it holds, whatever the others are. `exact`: nothing is
    said more simply. `made` has the views of roots that differ in nothing but their inputs.
    """
    keeps = frozenset(kept)
    found = tuple(roots) if exact else _replaced(graph, tuple(roots), merged, keeps)
    alike = exact, *_likeness(graph, found, keeps, columns)
    if alike not in made:
        made[alike] = _anonymous(graph, found if exact else _simplified(graph, found, keeps), keeps, columns)
    return made[alike]


def _anonymous(graph: Graph, roots: View, kept: frozenset[Term], columns: Mapping[str, Column]) -> View:
    inputs = [t for t in mentioned(graph, roots) if graph.op[t] is Op.VAR and t not in kept]
    real = [t for t in inputs if graph.name(t) in columns]
    known = [fact for fact in known_of(graph, (*kept, *real), columns) if _mentions(graph, fact, real)]
    return _renamed(graph, (graph.and_(roots[0], *known), *roots[1:]), kept)


def _likeness(graph: Graph, roots: View, kept: frozenset[Term], columns: Mapping[str, Column]) -> tuple[object, ...]:
    """The same for roots that differ in nothing but which inputs they mention."""
    places: dict[Term, int] = {}
    found: list[object] = []
    for term in mentioned(graph, roots):
        if graph.op[term] is not Op.VAR:
            found.append(
                (graph.op[term], graph.data[term], graph.sort[term], *(places[arg] for arg in graph.args[term]))
            )
        elif term in kept:
            found.append(term)
        else:
            column = columns.get(graph.name(term))
            lower = (
                None if column is None or column.below is None else places.get(graph.var(column.below, Sort.BOOL), -1)
            )
            bounds = () if column is None else (column.low, column.high, column.longest)
            found.append((graph.sort[term], bounds, lower))
        places[term] = len(places)
    return (*found, *(places[root] for root in roots))


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
