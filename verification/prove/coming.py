"""When an event of a kind comes, and what is then known of the state.

What answers a call says that the call is open; so what is never open beside it is not, and all that a step does can be
said more simply.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from charter.verification.encode.terms import FALSE, TRUE, Graph, Op, Term, substituted
from charter.verification.prove.facts import Following, Known

FEW = 40  # a condition on more flags is not asked about each of them


@dataclass(frozen=True, slots=True)
class Coming:
    """`comes`: whether an event comes; `follows`: the flags that are known wherever it does; `_made`: terms there."""

    comes: Term
    follows: Following
    _made: dict[Term, Term]

    @property
    def values(self) -> Mapping[Term, bool]:
        """The flags that are known."""
        return self.follows.values

    def simplified(self, graph: Graph, term: Term) -> Term:
        """A term of the state before the event, where the event comes."""
        return substituted(graph, [term], self._made)[0]


def coming(graph: Graph, comes: Term, known: Known, above: Mapping[Term, tuple[Term, ...]]) -> Coming:
    """What follows where the condition `comes` holds; `above`: the flags that hold only where another does."""
    sure: dict[Term, bool] = {}
    follows = known.following({})
    left, made = comes, dict[Term, Term]()
    while new := _sure(graph, left, above):
        sure |= new
        follows = known.following(sure)
        if follows.against is not None:
            return Coming(FALSE, follows, {})
        made = {flag: TRUE if value else FALSE for flag, value in follows.values.items()}
        left = substituted(graph, [comes], made)[0]
    said = (flag if value else graph.not_(flag) for flag, value in sure.items())
    return Coming(graph.and_(left, *said), follows, made)


def _sure(graph: Graph, condition: Term, above: Mapping[Term, tuple[Term, ...]]) -> dict[Term, bool]:
    """Flags of the state of which the condition says whether they hold; `above` has the flags that may be asked for."""
    found = {}
    for part in graph.args[condition] if graph.op[condition] is Op.AND else (condition,):
        flag = graph.args[part][0] if graph.op[part] is Op.NOT else part
        if flag in above:
            found[flag] = flag == part
    flags = [flag for flag in graph.named_by(graph.inputs[condition]) if flag in above and flag not in found]
    for flag in flags if len(flags) <= FEW else ():
        if substituted(graph, [condition], dict.fromkeys((flag, *above[flag]), FALSE)) == [FALSE]:
            found[flag] = True
    return found
