"""The order of a conversation beyond what each event's own `possible` says: as `dsl/session.py` lets events come.

Time never goes back and stays in the years of a clock, and an ask or call beyond its bound is answered at once, as
exhausted, before anything else comes. Both need a little memory of their own, which no rule can see.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from charter.dsl.environment import CLOCK_MAX, CLOCK_MIN
from charter.dsl.program import ActKind, EventKind, Program, Variable
from charter.dsl.types import BOOL, RecordType, Type, Value
from charter.dsl.written import REASON
from charter.verification.encode_acts import Leaving
from charter.verification.encode_expressions import Scope, condition
from charter.verification.symbols import Parts, Places, Symbol, choose, constant, equal, least, scalar
from charter.verification.terms import FALSE, Graph, Term

CLOCK = Variable("clock")


@dataclass(frozen=True, slots=True)
class Owed:
    """Whether the answer to an exhausted ask or call is due, and to which."""

    name: str
    args: RecordType

    @property
    def due(self) -> Variable:
        """The flag."""
        return Variable(f"owed {self.name}")

    @property
    def call(self) -> Variable:
        """The arguments of the call."""
        return Variable(f"owed {self.name} with")

    @property
    def fails(self) -> EventKind:
        """The answer."""
        return EventKind(f"{self.name} fails")

    @property
    def variables(self) -> tuple[tuple[Variable, Type], ...]:
        """What is remembered, with its types."""
        return (self.due, BOOL), (self.call, self.args)

    def initial(self, variable: Variable) -> Value:
        """Nothing is due."""
        return False if variable == self.due else least(self.args)

    def has(self, variable: Variable) -> bool:
        """Whether the variable is one of these."""
        return variable in (self.due, self.call)


def owed_answers(program: Program) -> tuple[Owed, ...]:
    """One for each agent and tool."""
    agents = (Owed(name, RecordType(name, ())) for name in program.agents)
    return (*agents, *(Owed(name, RecordType(name, tool.args)) for name, tool in program.tools.items()))


def dues(graph: Graph, program: Program, owed: Iterable[Owed], state: Mapping[Variable, Symbol]) -> Mapping[str, Term]:
    """Of each agent and tool, whether its answer is due and surely can come: of what was not kept, no call is open."""
    kept = {name: replace(of, more=FALSE) if isinstance(of, Places) else of for name, of in state.items()}
    time = graph.const(0)  # what can come does not depend on it
    possible = {
        each.name: condition(
            graph, program.events[each.fails].possible, Scope(kept, kept, _answer(graph, each, state), time)
        )
        for each in owed
    }
    return {each.name: graph.and_(scalar(state[each.due]), possible[each.name]) for each in owed}


def ordered(graph: Graph, owed: Iterable[Owed], due: Mapping[str, Term], kind: EventKind, scope: Scope) -> Term:
    """Whether an event of that kind keeps the order, where `scope` has the state before it and its fields.

    Where several answers are due, they come one after the other, in any order.
    """
    keeps = [graph.le(scalar(scope.old[CLOCK]), scope.now)]
    keeps += [graph.le(graph.const(CLOCK_MIN), scope.now), graph.le(scope.now, graph.const(CLOCK_MAX))]
    own = next((each for each in owed if each.fails == kind), None)
    if own is None:
        return graph.and_(*keeps, *(graph.not_(each) for each in due.values()))
    same = [equal(graph, scope.its[name], value) for name, value in _answer(graph, own, scope.old).items()]
    others = [graph.not_(each) for name, each in due.items() if name != own.name]
    return graph.and_(*keeps, graph.ite(due[own.name], graph.and_(*same), graph.and_(*others)))


def kept_owing(
    graph: Graph, owed: Iterable[Owed], due: Mapping[str, Term], state: Mapping[Variable, Symbol]
) -> Mapping[Variable, Symbol]:
    """What is due after a step that is no answer to it and exhausts nothing: what was."""
    found: dict[Variable, Symbol] = {}
    for each in owed:
        call = choose(graph, due[each.name], state[each.call], constant(graph, least(each.args), each.args))
        found |= {each.due: due[each.name], each.call: call}
    return found


def owed_after(
    graph: Graph, owed: Iterable[Owed], kept: Mapping[Variable, Symbol], kind: EventKind, acts: Iterable[Leaving]
) -> Mapping[Variable, Symbol]:
    """What is due after a step in which these acts leave: what is kept and not this event, and what is exhausted."""
    found = dict(kept)
    spent = [act for act in acts if act.kind is ActKind.EXHAUSTED]
    for each in owed:
        if kind == each.fails:
            found |= {each.due: FALSE, each.call: constant(graph, least(each.args), each.args)}
        for act in spent:
            if act.name == each.name:
                args = Parts(tuple(act.args[name] for name, _ in each.args.fields))
                found[each.due] = graph.or_(scalar(found[each.due]), act.leaves)
                found[each.call] = choose(graph, act.leaves, args, found[each.call])
    return found


def _answer(graph: Graph, owed: Owed, state: Mapping[Variable, Symbol]) -> Mapping[str, Symbol]:
    """The fields of the answer, where it is due."""
    call = state[owed.call]
    assert isinstance(call, Parts)
    args = dict(zip((name for name, _ in owed.args.fields), call.of, strict=True))
    return {**args, "reason": constant(graph, "exhausted", REASON)}
