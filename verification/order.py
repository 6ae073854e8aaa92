"""The order of a conversation beyond what each event's own `possible` says: as `dsl/session.py` lets events come.

Time never goes back and stays in the years of a clock, and an ask or call beyond its bound is answered at once, as
exhausted, before anything else comes. Both need a little memory of their own, which no rule can see.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from charter.dsl.environment import CLOCK_MAX, CLOCK_MIN
from charter.dsl.program import ActKind, EventKind, Program, Variable
from charter.dsl.types import BOOL, RecordType, Type, Value
from charter.dsl.written import REASON
from charter.verification.encode_acts import Leaving
from charter.verification.encode_expressions import Scope, condition
from charter.verification.symbols import Parts, Symbol, choose, constant, equal, least, scalar
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


def ordered(graph: Graph, program: Program, owed: Iterable[Owed], kind: EventKind, scope: Scope) -> Term:
    """Whether an event of that kind keeps the order, where `scope` has the state before it and its fields."""
    exhausted = constant(graph, "exhausted", REASON)
    keeps = [graph.le(scalar(scope.old[CLOCK]), scope.now)]
    keeps += [graph.le(graph.const(CLOCK_MIN), scope.now), graph.le(scope.now, graph.const(CLOCK_MAX))]
    for each in owed:
        call = scope.old[each.call]
        assert isinstance(call, Parts)
        args = dict(zip((name for name, _ in each.args.fields), call.of, strict=True))
        answer = Scope(scope.old, scope.old, {**args, "reason": exhausted}, scope.now)
        due = graph.and_(scalar(scope.old[each.due]), condition(graph, program.events[each.fails].possible, answer))
        if kind == each.fails:
            same = [equal(graph, scope.its[name], arg) for name, arg in args.items()]
            keeps.append(graph.implies(due, graph.and_(equal(graph, scope.its["reason"], exhausted), *same)))
        else:
            keeps.append(graph.not_(due))
    return graph.and_(*keeps)


def owed_after(graph: Graph, owed: Iterable[Owed], acts: Iterable[Leaving]) -> Mapping[Variable, Symbol]:
    """What is due after a step in which these acts leave."""
    found: dict[Variable, Symbol] = {}
    spent = [act for act in acts if act.kind is ActKind.EXHAUSTED]
    for each in owed:
        due, call = FALSE, constant(graph, least(each.args), each.args)
        for act in spent:
            if act.name == each.name:
                args = Parts(tuple(act.args[name] for name, _ in each.args.fields))
                due, call = graph.or_(due, act.leaves), choose(graph, act.leaves, args, call)
        found |= {each.due: due, each.call: call}
    return found
