"""That nothing is open before `start`: a fact of every conversation, which saves the prover from finding it each time.

Events that answer something do not say that the conversation has started; they can come because something is open. So a
picture would keep the books of each tool, only to see that none is open at first. Here the fact is shown for a program
once, by simplification alone: with nothing started and nothing open, no event but `start` can come.
"""

from collections.abc import Iterable

from charter.dsl.program import STARTED, EventKind, Lifetime, Role
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.symbols import scalar
from charter.verification.encode.terms import FALSE, TRUE, Sort, Term, substituted


def needing_start(encoder: Encoder) -> frozenset[EventKind]:
    """The kinds of events that can only come once the conversation has started; none where that cannot be shown."""
    return needing_start_among(encoder, encoder.program.events) or frozenset()


def needing_start_among(encoder: Encoder, kinds: Iterable[EventKind]) -> frozenset[EventKind] | None:
    """Those of these kinds; None where it cannot be shown for these.

    Shown by induction: until it has started, every flag of the books is as it was at first. An event that cannot come
    then needs the start; every other event starts the conversation; and no event undoes that.
    """
    graph = encoder.graph
    started = scalar(encoder.state[STARTED])
    first = {started: FALSE, **dict.fromkeys(_books(encoder), FALSE)}
    then: dict[Term, Term] = {started: TRUE}
    needing = set()
    for kind in kinds:
        step = encoder.step(kind)
        after = scalar(step.wanted.final[STARTED])
        needs = substituted(graph, [step.possible], first) == [FALSE]
        if not needs and substituted(graph, [after], first) != [TRUE]:
            return None
        if substituted(graph, [after], then) != [TRUE]:
            return None
        needing |= {kind} if needs else set()
    return frozenset(needing)


def _books(encoder: Encoder) -> Iterable[Term]:
    """The flags that do not hold before `start`, of everything that is kept from turn to turn."""
    for name, info in encoder.program.variables.items():
        if info.role is Role.BOOKKEEPING and info.lifetime is Lifetime.CONVERSATION:
            columns = encoder.flat(name, encoder.state[name])
            begins = encoder.flat(name, encoder.initial(name))
            for column, begin in zip(columns, begins, strict=True):
                if encoder.graph.sort[column] is Sort.BOOL and begin == FALSE:
                    yield column
