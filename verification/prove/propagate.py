"""Whether terms can have given values at once, as far as one step after the other shows; no search, no solver."""

from collections.abc import Iterable

from charter.verification.encode.terms import FALSE, TRUE, Graph, Op, Term

WIDE = 12  # of a junction of more parts, the parts are only looked up


def contradict(graph: Graph, values: Iterable[tuple[Term, bool]]) -> bool:
    """Whether these terms are seen not to have these values at once; True is sure, False is not."""
    known: dict[Term, bool] = {TRUE: True, FALSE: False}
    todo = list(values)
    some: list[Term] = []  # junctions of which only some parts are known
    while todo:
        while todo:
            term, value = todo.pop()
            if known.setdefault(term, value) is not value:
                return True
            op, args = graph.op[term], graph.args[term]
            if op is Op.NOT:
                todo.append((args[0], not value))
            elif op in (Op.AND, Op.OR):
                if value is (op is Op.AND) and len(args) <= WIDE:
                    todo += [(arg, value) for arg in args]
                else:
                    some.append(term)
        todo = [each for junction in some for each in _settled(graph, junction, known)]
    return False


def _settled(graph: Graph, junction: Term, known: dict[Term, bool]) -> list[tuple[Term, bool]]:
    """What the parts of a junction must be besides what is known of them."""
    args, value = graph.args[junction], known[junction]
    if value is (graph.op[junction] is Op.AND):  # every part has its value
        return [(arg, value) for arg in args if known.get(arg, value) is not value]
    left = [arg for arg in args if known.get(arg) is not (not value)]
    if len(left) > 1:
        return []
    return [(arg, value) for arg in left if arg not in known] or ([] if left else [(junction, not value)])
