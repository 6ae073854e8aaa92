"""What can happen to any conversation, and the books that are kept of it.

One definition for the run time and the proof: which events there are, when each can come, and how the state remembers
what was said, asked, called and is still open. The books are watches, like requirements, but never broken.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from charter.dsl import program as p
from charter.dsl.lower.names import Names, Parameters
from charter.dsl.lower.written import CHANNEL, REASON
from charter.dsl.program import (
    LANGUAGE,
    OVER,
    SAFE_STOPS,
    STARTED,
    TRANSFERRING,
    TURN_OPEN,
    ActKind,
    Arrival,
    EventInfo,
    EventKind,
    Expr,
    Leaving,
    Lifetime,
    Opening,
    Role,
    Variable,
    VariableInfo,
    Watch,
    escalating,
    exhausted,
    tried,
    used,
)
from charter.dsl.syntax import tree as s
from charter.dsl.types import (
    BOOL,
    ID,
    BagType,
    IntType,
    OptionalType,
    RecordType,
    TextType,
    Type,
    Value,
    optional,
)

MUST_ANSWER = Variable("must answer")  # the turn was opened by the customer, so it must be answered
ANSWERED_OPENINGS = frozenset(EventKind(kind) for kind in ("start", "utterance", "keys", "silence"))
SPOKEN = 8192  # the longest utterance, in characters
CLOCK_MIN, CLOCK_MAX = 0, 221_845_391_999_999  # when events can come: 1970 to 8999, so that `now + 7 days` is a time


@dataclass(frozen=True, slots=True)
class Environment:
    """The events, the variables that books need, the watches that keep them, and what an open turn waits for."""

    events: dict[EventKind, EventInfo] = field(default_factory=dict)
    variables: dict[Variable, VariableInfo] = field(default_factory=dict)
    books: list[Watch] = field(default_factory=list)
    waits: list[Expr] = field(default_factory=list)


def environment(names: Names, timers: frozenset[str], collected: frozenset[str]) -> Environment:
    """The environment of a policy that starts these timers and collects these facts."""
    world = Environment()
    _conversation(world, names)
    for name in names.agents:
        _agent(world, names, name)
    for name in names.tools:
        _tool(world, names, name)
    for name in sorted(collected):
        _collect(world, names, name)
    for kind, name in names.speech:
        if kind is ActKind.DISCLOSE:
            _disclosure(world, name)
    for name in sorted(timers):
        running = _flag(world, f"running {name}")
        _event(world, f"timer {name}", (), Opening.OPENS, (running,))
        _keep(world, Leaving(ActKind.TIMER, frozenset({name})), {running: p.TRUE})
        _keep(world, _arrival(f"timer {name}"), {running: p.FALSE})
    for name in names.outside:
        _event(world, name, names.outside[name].fields, Opening.OPENS)
    _transfers(world, names)
    _ends(world, names, collected)
    return world


# --- what expressions read -------------------------------------------------------------------------------------------


def was_disclosed(name: str, names: Names) -> Expr | None:
    """`disclosed(name)`: whether the disclosure was made before this step; None where there is none."""
    return _read(f"disclosed {name}", old=True) if (ActKind.DISCLOSE, name) in names.speech else None


def was_called(name: str, names: Names) -> Expr | None:
    """`called(name)`: whether the tool was called before this step; None where there is none."""
    return _read(f"called {name}", old=True) if name in names.tools else None


def is_pending(name: str, names: Names) -> Expr | None:
    """`pending(name)`: whether an answer was awaited before this step; None where there is no such agent or tool."""
    if name in names.agents:
        return _positive(p.Read(Variable(f"pending {name}"), _pending_type(names, name), True))
    if name in names.tools:
        return _positive(p.Size(p.Read(Variable(f"calls {name}"), _calls_type(names, name), True)))
    return None


def fields_of(names: Names, kind: str) -> Parameters:
    """The fields of an event that every conversation has, with those that the policy adds."""
    builtin: dict[str, tuple[tuple[str, Type], ...]] = {
        "start": (("channel", CHANNEL), ("language", names.language_type), ("caller", OptionalType(ID))),
        "utterance": (("text", TextType(SPOKEN)),),
        "keys": (("digits", ID),),
    }
    return Parameters((*builtin.get(kind, ()), *names.more.get(kind, Parameters(())).fields))


def uses_of(clause: s.Agent | s.Tool | s.Queue) -> int:
    """How often an agent, tool or queue may be used in a turn."""
    return int(clause.up_to.text) if clause.up_to and clause.up_to.text.isdigit() else 1


# --- parts -----------------------------------------------------------------------------------------------------------


def _conversation(world: Environment, names: Names) -> None:
    for flag in (TURN_OPEN, STARTED, OVER, TRANSFERRING):
        _flag(world, flag)
    _variable(world, SAFE_STOPS, IntType(0, 2), 0)
    _variable(world, MUST_ANSWER, BOOL, False, Lifetime.TURN)
    start = fields_of(names, "start").fields
    for name, type_ in start:
        _variable(world, f"start.{name}", optional(type_), None, role=Role.SUGGESTION)
    assert LANGUAGE in world.variables
    arrives = tuple((Variable(f"start.{name}"), p.Its(name, type_)) for name, type_ in start)
    world.events[EventKind("start")] = EventInfo(
        EventKind("start"), start, Opening.OPENS, p.Not(_read(STARTED)), arrives
    )
    for kind in ("utterance", "keys", "silence"):
        _event(world, kind, fields_of(names, kind).fields, Opening.OPENS)
    _event(world, "interrupt", fields_of(names, "interrupt").fields, Opening.JOINS)
    _keep(world, _arrival("start"), {STARTED: p.TRUE})
    _keep(world, Arrival(ANSWERED_OPENINGS), {MUST_ANSWER: p.TRUE})


def _agent(world: Environment, names: Names, name: str) -> None:
    fields = names.agents[name][1].fields
    uses, awaited = uses_of(names.agents[name][0]), Variable(f"pending {name}")
    type_ = _pending_type(names, name)
    _variable(world, awaited, type_, 0)
    _bounded(world, name, uses)
    suggestions = [(Variable(f"{name}.{field_}"), t) for field_, t in fields]
    for variable, field_type in suggestions:
        _variable(world, variable, optional(field_type), None, Lifetime.TURN, Role.SUGGESTION)
    arrives = tuple((variable, p.Its(variable.split(".", 1)[1], t)) for variable, t in suggestions)
    waits = _positive(p.Read(awaited, type_))
    _event(world, name, fields, Opening.ANSWERS, (waits,), arrives)
    _event(world, f"{name} fails", (("reason", REASON),), Opening.ANSWERS, (waits,))
    more, fewer = _plus(awaited, type_, p.Operation.ADD), _plus(awaited, type_, p.Operation.SUB)
    _keep(world, Leaving(ActKind.ASK, frozenset({name})), {awaited: more})
    _keep(world, Leaving(ActKind.EXHAUSTED, frozenset({name})), {awaited: more})
    _keep(world, _arrival(name, f"{name} fails"), {awaited: fewer})
    world.waits.append(waits)


def _tool(world: Environment, names: Names, name: str) -> None:
    syntax, args, returned = names.tools[name]
    bag = _calls_type(names, name)
    item = p.Make(bag.of, tuple(p.Its(n, t) for n, t in args.fields))
    calls, uncertain = Variable(f"calls {name}"), Variable(f"uncertain {name}")
    _variable(world, calls, bag, ())
    _variable(world, uncertain, bag, ())
    _bounded(world, name, uses_of(syntax))
    called = _flag(world, f"called {name}")
    is_open, is_uncertain = p.Contains(p.Read(calls, bag), item), p.Contains(p.Read(uncertain, bag), item)
    settles = (p.Or((is_open, is_uncertain)), p.Not(_read(TRANSFERRING)))
    failed = (*args.fields, ("reason", REASON))
    _event(world, name, returned.fields, Opening.ANSWERS, settles, raw=True)
    _event(world, f"{name} fails", failed, Opening.ANSWERS, settles, raw=True)
    opened: dict[Variable, Expr] = {calls: p.With(p.Read(calls, bag), item)}
    _keep(world, Leaving(ActKind.CALL, frozenset({name})), {**opened, called: p.TRUE})
    _keep(world, Leaving(ActKind.EXHAUSTED, frozenset({name})), opened)
    answered = _arrival(name, f"{name} fails")
    _keep(world, answered, {uncertain: p.Without(p.Read(uncertain, bag), item)}, p.Not(is_open))
    _keep(world, answered, {calls: p.Without(p.Read(calls, bag), item)})
    if syntax.writes:
        _event(
            world, f"{name} uncertain", args.fields, Opening.ANSWERS, (is_open, p.Not(_read(TRANSFERRING))), raw=True
        )
        doubt: dict[Variable, Expr] = {
            calls: p.Without(p.Read(calls, bag), item),
            uncertain: p.With(p.Read(uncertain, bag), item),
        }
        _keep(world, _arrival(f"{name} uncertain"), doubt)
    world.waits.append(_positive(p.Size(p.Read(calls, bag))))


def _collect(world: Environment, names: Names, name: str) -> None:
    if name not in names.facts:
        return  # reported where it is collected
    type_ = names.facts[name].type
    plain = type_.of if isinstance(type_, OptionalType) else type_
    collecting = _flag(world, f"collecting {name}")
    _event(world, f"collected {name}", (("value", plain),), Opening.OPENS, (collecting,))
    _event(world, f"collect {name} fails", (("reason", REASON),), Opening.OPENS, (collecting,))
    _keep(world, Leaving(ActKind.COLLECT, frozenset({name})), {collecting: p.TRUE})
    _keep(world, _arrival(f"collected {name}", f"collect {name} fails"), {collecting: p.FALSE})


def _disclosure(world: Environment, name: str) -> None:
    said, playing = _flag(world, f"disclosed {name}"), _flag(world, f"playing {name}")
    for kind in ("heard", "cut"):
        _event(world, f"{kind} {name}", (), Opening.JOINS, (playing,))
    _keep(world, Leaving(ActKind.DISCLOSE, frozenset({name})), {said: p.TRUE, playing: p.TRUE})
    _keep(world, _arrival(f"heard {name}", f"cut {name}"), {playing: p.FALSE})


def _transfers(world: Environment, names: Names) -> None:
    for name in names.queues:
        going = _flag(world, escalating(name))
        answers = (_read(STARTED), p.Not(_read(OVER)), _read(going))
        _event(world, f"escalated {name}", (), Opening.ANSWERS, answers, raw=True, ends=True)
        _event(world, f"escalate {name} fails", (("reason", REASON),), Opening.ANSWERS, answers, raw=True)
        count, counts = tried(name), IntType(0, uses_of(names.queues[name]) + 1)  # one more for the safe stop
        _variable(world, count, counts, 0, Lifetime.TURN)
        more = _plus(count, counts, p.Operation.ADD)
        _keep(world, Leaving(ActKind.ESCALATE, frozenset({name})), {going: p.TRUE, TRANSFERRING: p.TRUE, count: more})
        _keep(world, _arrival(f"escalated {name}"), {going: p.FALSE, TRANSFERRING: p.FALSE, OVER: p.TRUE})
        _keep(world, _arrival(f"escalate {name} fails"), {going: p.FALSE, TRANSFERRING: p.FALSE})
    world.waits.append(_read(TRANSFERRING))


def _ends(world: Environment, names: Names, collected: frozenset[str]) -> None:
    """Hang-up and end; like a transfer, they drop what is asked and collected. Open calls stay, to be settled."""
    base = (_read(STARTED), p.Not(_read(OVER)))
    _event(world, "hangup", fields_of(names, "hangup").fields, Opening.JOINS, base, raw=True, ends=True)
    dropped: dict[Variable, Expr] = {Variable(f"pending {name}"): _zero() for name in names.agents}
    dropped |= {Variable(f"collecting {name}"): p.FALSE for name in sorted(collected) if name in names.facts}
    _keep(world, Leaving(ActKind.ESCALATE, frozenset(names.queues)), dropped)
    _keep(world, Leaving(ActKind.END, frozenset({""})), {**dropped, OVER: p.TRUE})
    going = {escalating(name): p.FALSE for name in names.queues}
    _keep(world, _arrival("hangup"), {**dropped, **going, TRANSFERRING: p.FALSE, OVER: p.TRUE})


# --- building blocks -------------------------------------------------------------------------------------------------


def _event(
    world: Environment,
    kind: str,
    fields: tuple[tuple[str, Type], ...],
    opening: Opening,
    conditions: tuple["Expr | Variable", ...] = (),
    arrives: tuple[tuple[Variable, Expr], ...] = (),
    *,
    raw: bool = False,
    ends: bool = False,
) -> None:
    """An event that can come under these conditions; unless `raw`, only while the conversation is here."""
    conditions = tuple(_read(c) if isinstance(c, str) else c for c in conditions)
    if not raw:
        here: tuple[Expr, ...] = (_read(STARTED), p.Not(_read(OVER)), p.Not(_read(TRANSFERRING)))
        if opening is Opening.OPENS:
            here = (*here, p.Not(_read(TURN_OPEN)))
        conditions = (*here, *conditions)
    possible = p.And(tuple(c for c in conditions if not isinstance(c, str)))
    world.events[EventKind(kind)] = EventInfo(EventKind(kind), fields, opening, possible, arrives, ends)


def _variable(
    world: Environment,
    name: str,
    type_: Type,
    initial: Value,
    lifetime: Lifetime = Lifetime.CONVERSATION,
    role: Role = Role.BOOKKEEPING,
) -> None:
    world.variables[Variable(name)] = VariableInfo(Variable(name), type_, initial, lifetime, role)


def _flag(world: Environment, name: str) -> Variable:
    _variable(world, name, BOOL, False)
    return Variable(name)


def _bounded(world: Environment, name: str, uses: int) -> None:
    count, out = used(name), exhausted(name)
    _variable(world, count, IntType(0, uses), 0, Lifetime.TURN)
    _variable(world, out, BOOL, False, Lifetime.TURN)
    for kind in (ActKind.ASK, ActKind.CALL):
        _keep(world, Leaving(kind, frozenset({name})), {count: _plus(count, IntType(0, uses), p.Operation.ADD)})
    _keep(world, Leaving(ActKind.EXHAUSTED, frozenset({name})), {out: p.TRUE})


def _keep(world: Environment, moment: p.Moment, updates: Mapping[Variable, Expr], when: Expr = p.TRUE) -> None:
    if updates:
        world.books.append(Watch(moment, when, p.FALSE, tuple(updates.items())))


def _arrival(*kinds: str) -> Arrival:
    return Arrival(frozenset(EventKind(kind) for kind in kinds))


def _read(name: str, old: bool = False) -> p.Read:
    return p.Read(Variable(name), BOOL, old)


def _zero() -> p.Const:
    return p.Const(0, IntType(0, 0))


def _positive(number: Expr) -> Expr:
    return p.Compare(p.Comparison.GT, number, _zero())


def _plus(variable: Variable, type_: IntType, op: p.Operation) -> Expr:
    return p.Arithmetic(op, p.Read(variable, type_), p.Const(1, IntType(1, 1)), type_)


def _pending_type(names: Names, name: str) -> IntType:
    return IntType(0, uses_of(names.agents[name][0]) + 1)


def _calls_type(names: Names, name: str) -> BagType:
    return BagType(RecordType(name, names.tools[name][1].fields))
