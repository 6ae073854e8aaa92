"""The order of a conversation beyond what each event's own `possible` says: as `dsl/session.py` lets events come.

Time never goes back and stays in the years of a clock, and an ask or call beyond its bound is answered at once, as
exhausted, before anything else comes. Both need a little memory of their own, which no rule can see.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from charter.dsl.lower.environment import CLOCK_MAX, CLOCK_MIN
from charter.dsl.lower.written import REASON
from charter.dsl.program import ActKind, EventKind, Program, Variable
from charter.dsl.types import BOOL, RecordType, Type, Value
from charter.verification.encode.acts import Leaving
from charter.verification.encode.expressions import Scope, condition
from charter.verification.encode.symbols import Parts, Places, Symbol, choose, constant, equal, least, scalar
from charter.verification.encode.terms import FALSE, Graph, Sort, Term

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


@dataclass(frozen=True, slots=True)
class Due:
    """An answer that may be due: whether it is and surely can come, its fields, and the arguments of the call."""

    owed: Owed
    comes: Term
    answer: Mapping[str, Symbol]
    call: Symbol


def dues(graph: Graph, program: Program, owed: Iterable[Owed], state: Mapping[Variable, Symbol]) -> tuple[Due, ...]:
    """What may be due in a state, whatever event comes; of what was not kept, no call is taken to be open."""
    kept = {name: replace(of, more=FALSE) if isinstance(of, Places) else of for name, of in state.items()}
    time = graph.var("no time", Sort.INT)
    found = []
    for each in owed:
        answer = _answer(graph, each, state)
        possible = program.events[each.fails].possible
        comes = graph.and_(scalar(state[each.due]), condition(graph, possible, Scope(kept, kept, answer, time)))
        assert not graph.inputs[comes] & graph.inputs[time], f"whether `{each.fails}` can come depends on the time"
        call = choose(graph, comes, state[each.call], constant(graph, least(each.args), each.args))
        found.append(Due(each, comes, answer, call))
    return tuple(found)


def ordered(graph: Graph, due: Sequence[Due], kind: EventKind, scope: Scope) -> Term:
    """Whether an event of that kind keeps the order, where `scope` has the state before it and its fields.

    Where several answers are due, they come one after the other, in any order.
    """
    keeps = [graph.le(scalar(scope.old[CLOCK]), scope.now)]
    keeps += [graph.le(graph.const(CLOCK_MIN), scope.now), graph.le(scope.now, graph.const(CLOCK_MAX))]
    own = next((each for each in due if each.owed.fails == kind), None)
    nothing_else = graph.and_(*(graph.not_(each.comes) for each in due if each is not own))
    if own is None:
        return graph.and_(*keeps, nothing_else)
    same = graph.and_(*(equal(graph, scope.its[name], value) for name, value in own.answer.items()))
    return graph.and_(*keeps, graph.ite(own.comes, same, nothing_else))


def owed_after(graph: Graph, due: Iterable[Due], kind: EventKind, acts: Iterable[Leaving]) -> Mapping[Variable, Symbol]:
    """What is due after a step in which these acts leave: what was due and is not this event, and what is exhausted."""
    found: dict[Variable, Symbol] = {}
    spent = [act for act in acts if act.kind is ActKind.EXHAUSTED]
    for each in due:
        owed, comes, call = each.owed, each.comes, each.call
        if kind == owed.fails:
            comes, call = FALSE, constant(graph, least(owed.args), owed.args)
        for act in spent:
            if act.name == owed.name:
                args = Parts(tuple(act.args[name] for name, _ in owed.args.fields))
                comes, call = graph.or_(comes, act.leaves), choose(graph, act.leaves, args, call)
        found |= {owed.due: comes, owed.call: call}
    return found


def _answer(graph: Graph, owed: Owed, state: Mapping[Variable, Symbol]) -> Mapping[str, Symbol]:
    """The fields of the answer, where it is due."""
    call = state[owed.call]
    assert isinstance(call, Parts)
    args = dict(zip((name for name, _ in owed.args.fields), call.of, strict=True))
    return {**args, "reason": constant(graph, "exhausted", REASON)}
