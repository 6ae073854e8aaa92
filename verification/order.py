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


def ordered(graph: Graph, program: Program, owed: Iterable[Owed], kind: EventKind, scope: Scope) -> Term:
    """Whether an event of that kind keeps the order, where `scope` has the state before it and its fields.

    Where several answers are due, they come one after the other, in any order.
    """
    owed = tuple(owed)
    keeps = [graph.le(scalar(scope.old[CLOCK]), scope.now)]
    keeps += [graph.le(graph.const(CLOCK_MIN), scope.now), graph.le(scope.now, graph.const(CLOCK_MAX))]
    due = {each.fails: _due(graph, program, each, scope) for each in owed}
    own = due.get(kind, FALSE)
    for each in owed:
        if kind == each.fails:
            same = [equal(graph, scope.its[name], value) for name, value in _answer(graph, each, scope).items()]
            keeps.append(graph.implies(own, graph.and_(*same)))
        else:
            keeps.append(graph.or_(graph.not_(due[each.fails]), own))
    return graph.and_(*keeps)


def owed_after(
    graph: Graph, program: Program, owed: Iterable[Owed], kind: EventKind, before: Scope, acts: Iterable[Leaving]
) -> Mapping[Variable, Symbol]:
    """What is due after a step in which these acts leave: what was due and is not this event, and what is exhausted."""
    found: dict[Variable, Symbol] = {}
    spent = [act for act in acts if act.kind is ActKind.EXHAUSTED]
    for each in owed:
        due = FALSE if kind == each.fails else _due(graph, program, each, before)
        call = choose(graph, due, before.old[each.call], constant(graph, least(each.args), each.args))
        for act in spent:
            if act.name == each.name:
                args = Parts(tuple(act.args[name] for name, _ in each.args.fields))
                due, call = graph.or_(due, act.leaves), choose(graph, act.leaves, args, call)
        found |= {each.due: due, each.call: call}
    return found


def _due(graph: Graph, program: Program, owed: Owed, scope: Scope) -> Term:
    """Whether an answer is due and surely can come: of what was not kept, no call is taken to be open."""
    old = {name: replace(of, more=FALSE) if isinstance(of, Places) else of for name, of in scope.old.items()}
    possible = program.events[owed.fails].possible
    return graph.and_(
        scalar(scope.old[owed.due]),
        condition(graph, possible, Scope(old, old, _answer(graph, owed, scope), scope.now)),
    )


def _answer(graph: Graph, owed: Owed, scope: Scope) -> Mapping[str, Symbol]:
    """The fields of the answer, where it is due."""
    call = scope.old[owed.call]
    assert isinstance(call, Parts)
    args = dict(zip((name for name, _ in owed.args.fields), call.of, strict=True))
    return {**args, "reason": constant(graph, "exhausted", REASON)}
