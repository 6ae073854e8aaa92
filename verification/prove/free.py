"""What only inputs decide, said more simply. Each rule gives replacements that leave the same steps possible, or more.

The first of the roots is a condition that is only asked for, so an input that occurs nowhere else may be chosen for it.
"""

from collections.abc import Iterable, Sequence

from charter.verification.encode.terms import FALSE, TRUE, Graph, Op, Sort, Term, mentioned, substituted

FREE = "!"  # what the names of free conditions begin with


def helping(graph: Graph, roots: Sequence[Term], kept: frozenset[Term]) -> dict[Term, Term]:
    """Inputs that only the first root mentions, and that can only help it or only hinder it, are as it helps."""
    up: dict[Term, bool] = {roots[0]: True}  # whether making the term true can make the first root true
    down: dict[Term, bool] = {}  # whether making it false can
    both = set(roots[1:])
    for term in reversed(mentioned(graph, roots)):
        if term in both:
            up[term] = down[term] = True
        high, low = up.get(term, False), down.get(term, False)
        op, args = graph.op[term], graph.args[term]
        for i, arg in enumerate(args):
            if op in (Op.AND, Op.OR) or (op is Op.ITE and graph.sort[term] is Sort.BOOL and i > 0):
                ways = high, low
            elif op is Op.NOT:
                ways = low, high
            else:
                ways = True, True
            up[arg] = up.get(arg, False) or ways[0]
            down[arg] = down.get(arg, False) or ways[1]
    flags = (t for t in up if graph.op[t] is Op.VAR and graph.sort[t] is Sort.BOOL and t not in kept)
    return {t: TRUE if up[t] else FALSE for t in flags if not (up[t] and down.get(t, False))}


def free_conditions(graph: Graph, roots: Sequence[Term], kept: frozenset[Term]) -> dict[Term, Term]:
    """Conditions without a kept column, whose inputs are used in nothing else, are true or false as they like."""
    terms = mentioned(graph, roots)
    mask = 0
    for column in kept:
        mask |= graph.inputs[column]
    enter, leave = _dominated(graph, terms, roots)
    low: dict[Term, int] = {}
    high: dict[Term, int] = {}
    found: dict[Term, Term] = {}
    for term in terms:
        if graph.inputs[term] & mask or not graph.inputs[term]:
            continue
        if graph.op[term] is Op.VAR:
            low[term] = high[term] = enter[term]
            continue
        inner = [a for a in graph.args[term] if graph.inputs[a]]
        low[term], high[term] = min(low[a] for a in inner), max(high[a] for a in inner)
        if graph.sort[term] is Sort.BOOL and enter[term] <= low[term] and high[term] < leave[term]:
            found[term] = graph.var(f"{FREE}{term}", Sort.BOOL)
    return found


def merged(graph: Graph, roots: Sequence[Term], kept: frozenset[Term]) -> dict[Term, Term]:
    """Inputs that are used once, beside others such, are one; what is free with its negation is the input itself."""
    uses: dict[Term, int] = {}
    terms = mentioned(graph, roots)
    for term in (*roots, *(a for t in terms for a in graph.args[t])):
        uses[term] = uses.get(term, 0) + 1

    def free(term: Term) -> list[Term]:
        of = graph.args[term]
        return [
            a for a in of if uses[a] == 1 and graph.op[a] is Op.VAR and a not in kept and graph.sort[a] is Sort.BOOL
        ]

    found: dict[Term, Term] = {}
    for term in terms:
        if graph.op[term] is Op.NOT and free(term):
            found[term] = free(term)[0]
        elif graph.op[term] in (Op.AND, Op.OR) and len(alike := free(term)) > 1:
            more = set(alike[1:])
            rest = [a for a in graph.args[term] if a not in more]
            found[term] = graph.and_(*rest) if graph.op[term] is Op.AND else graph.or_(*rest)
    return found


def given(graph: Graph, roots: Sequence[Term]) -> tuple[Term, ...]:
    """The roots where everything but the plain flags that the first root needs knows of these flags."""
    parts = graph.args[roots[0]] if graph.op[roots[0]] is Op.AND else (roots[0],)
    by: dict[Term, Term] = {}
    for part in parts:
        if graph.op[part] is Op.VAR:
            by[part] = TRUE
        elif graph.op[part] is Op.NOT and graph.op[graph.args[part][0]] is Op.VAR:
            by[graph.args[part][0]] = FALSE
    if not by:
        return tuple(roots)
    flags = [part for part in parts if part in by or (graph.op[part] is Op.NOT and graph.args[part][0] in by)]
    rest = [part for part in parts if part not in flags]
    return (graph.and_(*flags, *substituted(graph, rest, by)), *substituted(graph, roots[1:], by))


def _dominated(graph: Graph, terms: Sequence[Term], roots: Iterable[Term]) -> tuple[dict[Term, int], dict[Term, int]]:
    """For each term a stretch of numbers: one term's lies in another's if every way to it goes through that other."""
    top = -1
    depth: dict[int, int] = {top: 0}
    above: dict[int, int] = {top: top}
    users: dict[int, int] = dict.fromkeys(roots, top)  # the nearest term through which all ways so far go
    below: dict[int, list[int]] = {top: []}

    def common(a: int, b: int) -> int:
        while a != b:
            if depth[a] >= depth[b]:
                a = above[a]
            else:
                b = above[b]
        return a

    for term in reversed(terms):
        above[term] = users[term]
        depth[term] = depth[users[term]] + 1
        below[term] = []
        below[above[term]].append(term)
        for arg in graph.args[term]:
            users[arg] = common(users[arg], term) if arg in users else term
    enter: dict[Term, int] = {}
    leave: dict[Term, int] = {}
    count = 0
    todo: list[tuple[int, bool]] = [(top, False)]
    while todo:
        term_, done = todo.pop()
        if done:
            leave[Term(term_)] = count
            continue
        enter[Term(term_)] = count
        count += 1
        todo.append((term_, True))
        todo.extend((child, False) for child in below[term_])
    return enter, leave
