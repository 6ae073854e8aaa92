"""The program: a checked policy, lowered to the small closed form that executors run and proofs are about.

Everything that a policy means is spelled out here as data. A conversation's state is a mapping from variable names to
values; an event is a kind with fields; `semantics.step` says how one leads to the next. Requirements, and the
bookkeeping of what is pending or was said, are both *watches*: little machines that observe the moments of a step and
update variables. So the executors know no requirement forms, and the run-time monitor and the proof cannot differ.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum, StrEnum
from functools import cached_property
from typing import Any, NewType, TypeAlias, TypeVar, assert_never

from charter.dsl.source import Span
from charter.dsl.types import (
    BOOL,
    INT64_MAX,
    DurationType,
    EnumType,
    IntType,
    RecordType,
    TextType,
    TimeType,
    Type,
    Value,
)

FORMAT = 2  # INVARIANT: raised whenever the meaning of a Program changes; certificates and audit records carry it.

_Made = TypeVar("_Made")
EventKind = NewType("EventKind", str)  # as a policy spells it: "start", "classify", "classify fails", "escalated desk"
Variable = NewType("Variable", str)  # facts: "account"; suggestions: "classify.intent"; bookkeeping: "pending classify"

# --- expressions: total functions of a state, the fields of what is observed, and nothing else -----------------------


@dataclass(frozen=True, slots=True)
class Const:
    """A value."""

    value: Value
    type: Type


@dataclass(frozen=True, slots=True)
class Read:
    """A variable. `old` reads it as it was after the resets and arrivals of this step; otherwise its final value.

    In a clause, a final value is that after every stratum before the clause's own (nothing later writes it). In a
    watch, a fact is final; a bookkeeping or ghost variable is as the watches so far left it.
    """

    variable: Variable
    type: Type
    old: bool = False


@dataclass(frozen=True, slots=True)
class Its:
    """A field of what is observed: of the event in a clause, of the event or the act in a watch. `now` is on all."""

    field: str
    type: Type


@dataclass(frozen=True, slots=True)
class Part:
    """A field of a record, by position. INVARIANT: `of` is known wherever this is evaluated."""

    of: "Expr"
    index: int
    type: Type


@dataclass(frozen=True, slots=True)
class Make:
    """A record from its fields, in declared order."""

    type: RecordType
    parts: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Whether an optional value is known."""

    of: "Expr"


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    of: "Expr"


@dataclass(frozen=True, slots=True)
class And:
    """All hold; parts after one that does not hold are not evaluated. Empty: true."""

    parts: tuple["Expr", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One holds; parts after one that holds are not evaluated. Empty: false."""

    parts: tuple["Expr", ...]


class Comparison(StrEnum):
    """How two values compare. Order is for whole numbers (int, decimal, time, duration) of one scale only."""

    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


@dataclass(frozen=True, slots=True)
class Compare:
    """Compares two values of one type. INVARIANT: both are known wherever this is evaluated."""

    op: Comparison
    left: "Expr"
    right: "Expr"


class Operation(StrEnum):
    """Exact arithmetic on whole numbers of one scale."""

    ADD = "+"
    SUB = "-"
    MUL = "*"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Exact, unbounded. INVARIANT: both sides are known; the checker has shown that the result fits 64 bits."""

    op: Operation
    left: "Expr"
    right: "Expr"
    type: Type


@dataclass(frozen=True, slots=True)
class Contains:
    """Whether a bag holds a record equal to `item`."""

    bag: "Expr"
    item: "Expr"


@dataclass(frozen=True, slots=True)
class Size:
    """How many records a bag holds."""

    bag: "Expr"


@dataclass(frozen=True, slots=True)
class With:
    """A bag with one more record, at its end."""

    bag: "Expr"
    item: "Expr"


@dataclass(frozen=True, slots=True)
class Without:
    """A bag without its first record equal to `item`; the same bag where there is none."""

    bag: "Expr"
    item: "Expr"


@dataclass(frozen=True, slots=True)
class Text:
    """A text with slots: the parts in a row, values spelled as a policy spells them (`values.spell`)."""

    parts: tuple["str | Expr", ...]


Expr: TypeAlias = (
    Const
    | Read
    | Its
    | Part
    | Make
    | Known
    | Not
    | And
    | Or
    | Compare
    | Arithmetic
    | Contains
    | Size
    | With
    | Without
    | Text
)

TRUE, FALSE = And(()), Or(())


def type_of(expr: Expr) -> Type:
    """The type of an expression."""
    match expr:
        case Const(_, type_) | Read(_, type_) | Its(_, type_) | Part(_, _, type_) | Make(type_):
            return type_
        case Arithmetic(_, _, _, type_):
            return type_
        case Known() | Not() | And() | Or() | Compare() | Contains():
            return BOOL
        case Size():
            return IntType(0, INT64_MAX)
        case With(bag) | Without(bag):
            return type_of(bag)
        case Text():
            return TextType(INT64_MAX)
        case _:
            assert_never(expr)


def unchecked(expr: Expr) -> bool:
    """Whether a time or duration is computed for this value, so that only the step shows if it lies within its type."""
    match expr:
        case Arithmetic(_, _, _, type_):
            return isinstance(type_, TimeType | DurationType)
        case Make(_, parts):
            return any(unchecked(part) for part in parts)
        case Part(of):
            return unchecked(of)
        case _:
            return False


# --- state and events ------------------------------------------------------------------------------------------------


class Lifetime(Enum):
    """When a variable goes back to its initial value."""

    STEP = "step"  # at every step
    TURN = "turn"  # when a turn opens
    CONVERSATION = "conversation"  # never


class Role(Enum):
    """What a variable is for."""

    FACT = "fact"  # declared by the policy, written by rules
    SUGGESTION = "suggestion"  # an agent's last answer of this turn, written by its arrival
    BOOKKEEPING = "bookkeeping"  # what is open, pending, used up or was said; written by `Program.bookkeeping`
    GHOST = "ghost"  # what a requirement remembers; written by that requirement's watches


@dataclass(frozen=True, slots=True)
class VariableInfo:
    """One variable of the state."""

    name: Variable
    type: Type
    initial: Value
    lifetime: Lifetime
    role: Role


class Opening(Enum):
    """What an event does to the turn."""

    OPENS = "opens"  # opens a turn, with resets; waits while one is open
    JOINS = "joins"  # a step of the open turn; where none is open, it reopens the last one, without reset
    ANSWERS = "answers"  # a step of the open turn; where none is open, it opens one, with resets


@dataclass(frozen=True, slots=True)
class EventInfo:
    """One kind of event.

    `possible` is the environment: the event can come only where it holds in the state before the step; otherwise it is
    dropped and recorded. `arrives` are assignments made before the rules run: an answer becomes its agent's suggestion.
    """

    kind: EventKind
    fields: tuple[tuple[str, Type], ...]
    opening: Opening
    possible: Expr
    arrives: tuple[tuple[Variable, Expr], ...] = ()
    ends: bool = False  # the conversation is over with this event


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `fields` holds every declared field of its kind. `now`: ms since the epoch."""

    kind: EventKind
    fields: Mapping[str, Value]
    now: int


State: TypeAlias = Mapping[Variable, Value]

# --- rules -----------------------------------------------------------------------------------------------------------


class ActKind(StrEnum):
    """What can leave a step."""

    DISCLOSE = "disclose"
    SAY = "say"
    COLLECT = "collect"
    ASK = "ask"
    CALL = "call"
    TIMER = "timer"
    NOTE = "note"
    ESCALATE = "escalate"
    END = "end"
    EXHAUSTED = "exhausted"  # an ask or call beyond its bound: nothing leaves, `A fails` (exhausted) comes at once


LEAVING_RANK: Mapping[ActKind, int] = {
    ActKind.DISCLOSE: 0,
    ActKind.SAY: 1,
    ActKind.COLLECT: 2,
    ActKind.ASK: 4,
    ActKind.CALL: 4,
    ActKind.EXHAUSTED: 4,
    ActKind.TIMER: 6,
    ActKind.NOTE: 6,
    ActKind.ESCALATE: 7,
    ActKind.END: 8,
}
"""Acts leave by rank, then by place. 3 and 5 are for requests and letters."""


@dataclass(frozen=True, slots=True)
class ActSite:
    """An act as a rule states it. `reason` explains it (`because "…"`) and is no part of its identity."""

    kind: ActKind
    name: str  # of the disclosure, prompt, agent, tool, queue, timer or collected value; "" for note and end
    args: tuple[tuple[str, Expr], ...]
    reason: Expr | None
    place: int  # INVARIANT: unique among the clauses of one kind of event; grows with the place of the rule


@dataclass(frozen=True, slots=True)
class Write:
    """`set variable = value`."""

    variable: Variable
    value: Expr


@dataclass(frozen=True, slots=True)
class Clause:
    """What one rule does on one kind of event. The rule fires if `guard` holds and no rule in `overridden_by` fires."""

    rule: str
    guard: Expr
    overridden_by: tuple[str, ...]  # INVARIANT: these rules' clauses on this kind stand in earlier strata
    writes: tuple[Write, ...]
    acts: tuple[ActSite, ...]


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """A rule, for people."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Act:
    """An act that leaves. Two acts are the same act if kind, name and arguments are equal."""

    kind: ActKind
    name: str
    args: tuple[tuple[str, Value], ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[ActKind, str, tuple[tuple[str, Value], ...]]:
        """What makes two acts the same: everything but the reasons."""
        return self.kind, self.name, self.args


# --- watches: requirements and bookkeeping ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrival:
    """The event of the step, if it is one of these kinds."""

    kinds: frozenset[EventKind]


@dataclass(frozen=True, slots=True)
class Changed:
    """A fact whose final value differs from its old one. INVARIANT: no watch updates it."""

    variable: Variable


@dataclass(frozen=True, slots=True)
class Settled:
    """All facts have their final values; no act has left yet."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """An act leaves, if it is of this kind and one of these names."""

    kind: ActKind
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Finished:
    """All acts of the step have left."""


@dataclass(frozen=True, slots=True)
class Closing:
    """The turn closes."""


Moment: TypeAlias = Arrival | Changed | Settled | Leaving | Finished | Closing
"""In this order: the event, all changes at once, the facts, each act, the end, the close."""


@dataclass(frozen=True, slots=True)
class Watch:
    """At `moment`, if `when` holds: the requirement is broken if `broken` holds; then `updates`, all at once.

    The watches of one moment come one after the other, in the order of the program.
    """

    moment: Moment
    when: Expr = TRUE
    broken: Expr = FALSE
    updates: tuple[tuple[Variable, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class Requirement:
    """What must hold on every path, as watches over its own ghosts. A built-in one has no place in a file."""

    name: str
    text: str  # what it says, for people
    cites: str | None
    span: Span | None
    watches: tuple[Watch, ...]


# --- what the outside needs ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agent:
    """A suggestion provider. `within` in ms; `chain` are the agents that answer in its name after it, in order."""

    name: str
    fields: tuple[tuple[str, Type], ...]
    within: int
    uses: int
    chain: tuple[str, ...]
    defaults: Mapping[str, Value] = field(default_factory=dict)  # of the fields that an answer may leave out


@dataclass(frozen=True, slots=True)
class Tool:
    """An outside operation. `within` in ms."""

    name: str
    args: tuple[tuple[str, Type], ...]
    returns: tuple[tuple[str, Type], ...]
    writes: bool
    idempotent: bool
    within: int
    uses: int


@dataclass(frozen=True, slots=True)
class Queue:
    """Where people take over. `within` in ms; `uses`: how often in a turn."""

    name: str
    within: int
    uses: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a text where an argument goes."""

    name: str


@dataclass(frozen=True, slots=True)
class Speech:
    """A disclosure or prompt: for each language the text, cut at its slots."""

    kind: ActKind  # DISCLOSE or SAY
    name: str
    slots: tuple[tuple[str, Type], ...]
    texts: Mapping[str, tuple[str | Slot, ...]]


Seen: TypeAlias = tuple[str, str]  # one moment that came: ("on", kind), CHANGES, (act kind, name) …


def seen_by(moment: Moment) -> tuple[Seen, ...]:
    """The moments that a watch at `moment` observes."""
    match moment:
        case Arrival(kinds):
            return tuple(arrival(kind) for kind in sorted(kinds))
        case Changed():
            return (CHANGES,)
        case Leaving(kind, names):
            return tuple((kind.value, name) for name in sorted(names))
        case Settled():
            return (SETTLED,)
        case Finished():
            return (FINISHED,)
        case Closing():
            return (CLOSING,)
        case _:
            assert_never(moment)


CHANGES: Seen = ("at", "changes")
SETTLED: Seen = ("after", "the rules")
FINISHED: Seen = ("at the end of", "the step")
CLOSING: Seen = ("at the close of", "the turn")


def arrival(kind: EventKind) -> Seen:
    """The moment when an event of this kind comes."""
    return ("on", kind)


@dataclass(frozen=True)  # without slots: what is derived from it is computed once
class Program:
    """A checked policy. `digest` is the sha256 of its text, files in order of import."""

    name: str
    digest: str
    languages: tuple[str, ...]
    fallback: str  # the queue of the safe stop
    enums: Mapping[str, EnumType]
    records: Mapping[str, RecordType]
    agents: Mapping[str, Agent]
    tools: Mapping[str, Tool]
    queues: Mapping[str, Queue]
    speech: Mapping[tuple[ActKind, str], Speech]
    variables: Mapping[Variable, VariableInfo]
    events: Mapping[EventKind, EventInfo]
    rules: Mapping[str, RuleInfo]
    # INVARIANT: has every kind of `events`, if only as (); clauses of a stratum stand in the order of `rules`.
    strata: Mapping[EventKind, tuple[tuple[Clause, ...], ...]]
    bookkeeping: tuple[Watch, ...]
    requirements: tuple[Requirement, ...]
    assumptions: Mapping[EventKind, Expr]  # what a tool's result is trusted to fulfil; a breach is `T fails` (invalid)
    waiting: Expr  # holds while the open turn waits for an answer: it closes when this does not hold

    @cached_property
    def initial(self) -> State:
        """The state before `start`."""
        return {name: info.initial for name, info in self.variables.items()}

    @cached_property
    def resets(self) -> Mapping[Lifetime, State]:
        """The initial values of the variables of each lifetime."""
        return {
            lifetime: {name: info.initial for name, info in self.variables.items() if info.lifetime is lifetime}
            for lifetime in Lifetime
        }

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Where each rule stands."""
        return {rule: place for place, rule in enumerate(self.rules)}

    @cached_property
    def watches(self) -> Mapping[Seen, tuple[tuple[str | None, Watch], ...]]:
        """The watches at each moment, each with its requirement; the books come first and have none."""
        found: dict[Seen, list[tuple[str | None, Watch]]] = {}
        owned: list[tuple[str | None, tuple[Watch, ...]]] = [(None, self.bookkeeping)]
        owned += [(requirement.name, requirement.watches) for requirement in self.requirements]
        for name, watches in owned:
            for watch in watches:
                for seen in seen_by(watch.moment):
                    found.setdefault(seen, []).append((name, watch))
        return {seen: tuple(watches) for seen, watches in found.items()}

    @cached_property
    def uses(self) -> Mapping[tuple[ActKind, str], int]:
        """How often each ask, call and escalation may leave in a turn."""
        found = {(ActKind.ASK, name): agent.uses for name, agent in self.agents.items()}
        found |= {(ActKind.CALL, name): tool.uses for name, tool in self.tools.items()}
        return found | {(ActKind.ESCALATE, name): queue.uses for name, queue in self.queues.items()}

    def once(self, make: Callable[["Program"], _Made]) -> _Made:
        """What `make` makes of the program: made once, and no part of a copy."""
        found: _Made | None = self._made.get(make)
        if found is None:
            found = self._made[make] = make(self)
        return found

    @cached_property
    def _made(self) -> dict[Callable[["Program"], Any], Any]:
        return {}

    def __getstate__(self) -> Mapping[str, object]:
        """What is pickled: what the program says, nothing that is derived from it."""
        return {of.name: getattr(self, of.name) for of in fields(self)}


# INVARIANT: these bookkeeping variables exist in every program.
TURN_OPEN = Variable("turn open")
STARTED = Variable("started")
OVER = Variable("over")
LANGUAGE = Variable("start.language")
SAFE_STOPS = Variable("safe stops")
TRANSFERRING = Variable("transferring")

NO_CONFLICT, IN_RANGE = "no conflict", "in range"
NO_EXCLUDED, WITHIN_BOUNDS = "no excluded acts", "within bounds"
STEP_CHECKS: Mapping[str, str] = {  # what no step of any program may break, and what each says
    NO_CONFLICT: "no two rules write different values to one fact",
    IN_RANGE: "no fact leaves its range",
    NO_EXCLUDED: "no acts leave together that exclude each other",
    WITHIN_BOUNDS: "no agent, tool or queue is used again beyond its bound of the turn",
}


def used(name: str) -> Variable:
    """How often an agent or tool was asked or called in this turn: int 0..uses."""
    return Variable(f"used {name}")


def exhausted(name: str) -> Variable:
    """Whether an agent or tool was asked or called beyond its bound in this turn: bool."""
    return Variable(f"exhausted {name}")


def tried(queue: str) -> Variable:
    """How often the conversation was escalated to this queue in this turn: int 0..uses + 1."""
    return Variable(f"tried {queue}")


def escalating(queue: str) -> Variable:
    """Whether a transfer to this queue waits for its answer: bool."""
    return Variable(f"escalating {queue}")
