"""When an event of a kind comes, and what is then known of the state.

What answers a call says that the call is open; so what is never open beside it is not, and all that a step does can be
said more simply. A turn is open as long as anything is awaited; so where a step leaves alone what is, one flag says it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from charter.verification.encode.terms import FALSE, TRUE, Graph, Op, Term, mentioned, substituted
from charter.verification.prove.facts import Clause, Following, Known

FEW = 40  # a condition on more flags is not asked about each of them


@dataclass(frozen=True, slots=True)
class Gathered:
    """Where all of `here` are false, one of the parts holds just where `whole` does, by these clauses."""

    here: frozenset[Term]
    parts: frozenset[Term]
    whole: Term
    by: frozenset[Clause]

    def where(self, values: Mapping[Term, bool]) -> "Gathered | None":
        """The same among flags of which some are known; None where it does not say anything there."""
        left = self.parts.difference(values)
        sure = self.whole in values or any(values.get(part) for part in self.parts)
        applies = not sure and len(left) > 1 and all(values.get(flag) is False for flag in self.here)
        return replace(self, parts=left) if applies else None

    def said(self, graph: Graph, term: Term) -> Term:
        """The term with the whole in place of its parts wherever it asks for any of all of them."""
        bits = graph.inputs_of(self.parts)
        if graph.inputs[term] & bits != bits:
            return term
        by = {
            part: graph.or_(self.whole, *self.parts.symmetric_difference(graph.args[part]))
            for part in mentioned(graph, [term])
            if graph.op[part] is Op.OR and self.parts.issubset(graph.args[part])
        }
        return substituted(graph, [term], by)[0] if by else term


@dataclass(frozen=True, slots=True)
class Coming:
    """`comes`: whether an event comes; `follows`: the flags that are known wherever it does; `_made`: terms there.

    `gathered`: what is the same there as the whole of some flags, if that is known. `_known`: the flags that are known,
    as bits.
    """

    comes: Term
    follows: Following
    gathered: Gathered | None
    _made: dict[Term, Term]
    _known: int

    @property
    def values(self) -> Mapping[Term, bool]:
        """The flags that are known."""
        return self.follows.values

    def simplified(self, graph: Graph, term: Term) -> Term:
        """A term of the state before the event, where the event comes."""
        found = substituted(graph, [term], self._made)[0] if graph.inputs[term] & self._known else term
        return found if self.gathered is None else self.gathered.said(graph, found)


def coming(
    graph: Graph, comes: Term, known: Known, above: Mapping[Term, tuple[Term, ...]], open_turn: Gathered | None
) -> Coming:
    """What follows where the condition `comes` holds.

    `above`: the flags that hold only where another does. `open_turn`: that a turn is open while anything is awaited.
    """
    sure: dict[Term, bool] = {}
    follows = known.following({})
    left, made = comes, dict[Term, Term]()
    while new := _sure(graph, left, above):
        sure |= new
        follows = known.following(sure)
        if follows.against is not None:
            return Coming(FALSE, follows, None, {}, 0)
        made = {flag: TRUE if value else FALSE for flag, value in follows.values.items()}
        left = substituted(graph, [comes], made)[0]
    said = (flag if value else graph.not_(flag) for flag, value in sure.items())
    gathered = None if open_turn is None else open_turn.where(follows.values)
    return Coming(graph.and_(left, *said), follows, gathered, made, graph.inputs_of(follows.values))


def open_turn(graph: Graph, awaited: Term, known: Known, turn: Term, here: frozenset[Term]) -> Gathered | None:
    """That a turn is open just while something is `awaited`, where all of `here` are false; None if it is not known."""
    parts = frozenset(graph.args[awaited] if graph.op[awaited] is Op.OR else ()) - here
    at = dict.fromkeys(here, False)
    shown = [known.following({**at, turn: True, **dict.fromkeys(parts, False)})]
    shown += [known.following({**at, turn: False, part: True}) for part in parts]
    if any(graph.op[part] is not Op.VAR for part in parts) or any(each.against is None for each in shown):
        return None
    return Gathered(here, parts, turn, frozenset().union(*(each.reasons(()) for each in shown)))


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
