"""The syntax tree: a policy as it is written, one node for each thing that can be written.

Spans take no part in equality, so `parse(format(tree)) == tree` is a law.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from charter.dsl.source import Span
from charter.dsl.syntax.tokens import unescaped


def _span() -> Span:
    return field(compare=False, repr=False)  # type: ignore[no-any-return]  # a dataclass field, typed by its annotation


@dataclass(frozen=True, slots=True)
class Name:
    """A name as written."""

    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class String:
    """A text in quotes. `raw` is what stands between them."""

    raw: str
    span: Span = _span()

    @property
    def text(self) -> str:
        """What it says, its escapes resolved; braces are braces."""
        return unescaped(self.raw)

    @property
    def written(self) -> str:
        """As it stands in the file, quotes and all."""
        return f'"{self.raw}"'


# --- types -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamedType:
    """`bool`, `id`, `time`, `duration`, an enum or a record."""

    name: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class IntTypeOf:
    """`int low..high`."""

    low: str
    high: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class DecimalTypeOf:
    """`decimal(places) low..high`."""

    places: str
    low: str
    high: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class TextTypeOf:
    """`text max n`."""

    max: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class OptionalOf:
    """`T?`."""

    of: "TypeSyntax"
    span: Span = _span()


TypeSyntax: TypeAlias = NamedType | IntTypeOf | DecimalTypeOf | TextTypeOf | OptionalOf

# --- expressions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written: `0.55`."""

    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time: `300 ms`."""

    number: str
    unit: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Time:
    """A point in time as written, ISO 8601."""

    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Boolean:
    """`true` or `false`."""

    value: bool
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Unknown:
    """`unknown`."""

    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Ref:
    """A name used as a value."""

    name: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Its:
    """`its field`."""

    field: Name
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Was:
    """`was fact`."""

    fact: Name
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Dot:
    """`of.field`."""

    of: "Expr"
    field: Name
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Argument:
    """`label: value`, or just `value`."""

    label: Name | None
    value: "Expr"
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Apply:
    """`name(arguments)`: a record, a define with parameters, or a history."""

    name: Name
    arguments: tuple[Argument, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Not:
    """`not of`."""

    of: "Expr"
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Negative:
    """`-of`."""

    of: "Expr"
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Junction:
    """`a and b and c`, or the same with `or`."""

    op: str
    parts: tuple["Expr", ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left op right`; with `known` it is false where a side is unknown."""

    op: str
    known: bool
    left: "Expr"
    right: "Expr"
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left op right` with `+`, `-` or `*`."""

    op: str
    left: "Expr"
    right: "Expr"
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class InSet:
    """`of in { a, b }`."""

    of: "Expr"
    items: tuple["Expr", ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class IsKnown:
    """`of is known`, or `of is unknown`."""

    of: "Expr"
    known: bool
    span: Span = _span()


Expr: TypeAlias = (
    Number
    | Duration
    | Time
    | String
    | Boolean
    | Unknown
    | Ref
    | Its
    | Was
    | Dot
    | Apply
    | Not
    | Negative
    | Junction
    | Comparison
    | Arithmetic
    | InSet
    | IsKnown
)

# --- declarations ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Policy:
    """`policy name` with its header lines, as far as they are written."""

    name: Name
    languages: tuple[Name, ...]
    fallback: Name | None
    human_wanted: Expr | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Import:
    """`import "file"`."""

    path: String
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class EnumValue:
    """A value of an enum; `spelled` is its name outside."""

    name: Name
    spelled: String | None


@dataclass(frozen=True, slots=True)
class Enum:
    """`enum name { values }`."""

    name: Name
    values: tuple[EnumValue, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Field:
    """`name: type`, with a default where one is allowed."""

    name: Name
    type: TypeSyntax
    default: Expr | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """`record name { fields }`."""

    name: Name
    fields: tuple[Field, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Fact:
    """`fact name: type = initial`, of a turn or of the conversation."""

    turn: bool
    name: Name
    type: TypeSyntax
    initial: Expr | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Define:
    """`define name(params) = value`; `params` is None where no parentheses are written."""

    name: Name
    params: tuple[Field, ...] | None
    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Agent:
    """`agent name suggests { fields }` with its options, as far as they are written."""

    name: Name
    fields: tuple[Field, ...]
    within: Duration | None
    otherwise: Name | None
    up_to: Number | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Tool:
    """`tool name(params) returns { fields }` with its options, as far as they are written."""

    name: Name
    params: tuple[Field, ...]
    returns: tuple[Field, ...]
    reads: bool
    writes: bool
    idempotent: bool
    within: Duration | None
    up_to: Number | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Tools:
    """`tools name = members`: a group."""

    name: Name
    members: tuple[Name, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class OutsideEvent:
    """`event name { fields }`; for a built-in event, more fields."""

    name: Name
    fields: tuple[Field, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Queue:
    """`queue name within duration up to 2 times`."""

    name: Name
    within: Duration
    up_to: Number | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Speech:
    """`disclosure name(params) { language "text" … }`, or a prompt."""

    kind: str
    name: Name
    params: tuple[Field, ...]
    texts: tuple[tuple[Name, String], ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Assume:
    """`assume tool returns condition`."""

    tool: Name
    condition: Expr
    span: Span = _span()


# --- happenings: events and acts as rules and requirements name them -------------------------------------------------


@dataclass(frozen=True, slots=True)
class EventRef:
    """An event: `mark` is "", "fails", "uncertain", "heard", "cut", "timer", "collected", "collect fails",
    "escalated" or "escalate fails"; no name is `any`."""

    mark: str
    name: Name | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ActRef:
    """An act: its kind and name; no name is `any`, except those named."""

    kind: str
    name: Name | None
    excepted: tuple[Name, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ChangeOf:
    """`change of fact`."""

    fact: Name
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Happening:
    """An event, act or change, with the condition that narrows it."""

    of: EventRef | ActRef | ChangeOf
    when: Expr | None
    span: Span = _span()


# --- rules -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetFact:
    """`set fact = value`."""

    fact: Name
    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Forget:
    """`forget fact`."""

    fact: Name
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Note:
    """`note "text"`."""

    text: String
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Ask:
    """`ask agents`."""

    agents: tuple[Name, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Call:
    """`call tool(arguments)`."""

    tool: Name
    arguments: tuple[Argument, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Speak:
    """`disclose name(arguments)` or `say name(arguments)`; `arguments` is None where no parentheses are written."""

    kind: str
    name: Name
    arguments: tuple[Argument, ...] | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Collect:
    """`collect fact`."""

    fact: Name
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class StartTimer:
    """`start timer name for duration`."""

    name: Name
    duration: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Escalate:
    """`escalate queue because "reason"`."""

    queue: Name
    because: String | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class End:
    """`end because "reason"`."""

    because: String | None
    span: Span = _span()


Act: TypeAlias = SetFact | Forget | Note | Ask | Call | Speak | Collect | StartTimer | Escalate | End


@dataclass(frozen=True, slots=True)
class Rule:
    """`rule name overrides others on triggers when condition do acts`."""

    name: Name
    overrides: tuple[Name, ...]
    triggers: tuple[Happening, ...]
    when: Expr | None
    acts: tuple[Act, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Section:
    """`section "title" when condition { rules }`."""

    title: String
    when: Expr | None
    rules: tuple[Rule, ...]
    span: Span = _span()


# --- requirements ----------------------------------------------------------------------------------------------------

Happenings: TypeAlias = tuple[Happening, ...]


@dataclass(frozen=True, slots=True)
class Before:
    """`first before then`."""

    first: Happenings
    then: Happenings


@dataclass(frozen=True, slots=True)
class OnlyAfter:
    """`what only after new first since reset`."""

    what: Happenings
    first: Happenings
    new: bool
    since: Happenings


@dataclass(frozen=True, slots=True)
class OnlyAfterAll:
    """`what only after (disclose a, b, c) since reset`."""

    what: Happenings
    disclosures: tuple[Name, ...]
    since: Happenings


@dataclass(frozen=True, slots=True)
class OnlyIf:
    """`what only if condition`; with `exactly`, `if and only if`."""

    what: Happenings
    condition: Expr
    exactly: bool


@dataclass(frozen=True, slots=True)
class OnlyBetween:
    """`what only between first and last`."""

    what: Happenings
    first: Happenings
    last: Happenings


@dataclass(frozen=True, slots=True)
class AtMost:
    """`what at most times times since reset`, per conversation or per turn; `once` where `times` is None."""

    what: Happenings
    times: Number | None
    since: Happenings
    per_turn: bool


@dataclass(frozen=True, slots=True)
class Never:
    """`never what if condition`."""

    what: Happenings
    condition: Expr | None


@dataclass(frozen=True, slots=True)
class NeverWith:
    """`never what with other`."""

    what: Happenings
    other: Happenings


@dataclass(frozen=True, slots=True)
class NeverFrom:
    """`never what from first until last`."""

    what: Happenings
    first: Happenings
    last: Happenings


@dataclass(frozen=True, slots=True)
class Whenever:
    """`whenever trigger: what deadline`. A part of the trigger that is a bare name may turn out to be an event."""

    trigger: tuple[Happening | Expr, ...]
    what: Happenings
    deadline: str  # "in this turn", "next", "before end"


Form: TypeAlias = (
    Before | OnlyAfter | OnlyAfterAll | OnlyIf | OnlyBetween | AtMost | Never | NeverWith | NeverFrom | Whenever
)


@dataclass(frozen=True, slots=True)
class Require:
    """`require name "text" cites "…" replaces built-in b because "…" form`."""

    name: Name
    text: String | None
    cites: String | None
    replaces: Name | None
    because: String | None
    form: Form
    span: Span = _span()


# --- tests -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Given:
    """`given fact = value`."""

    fact: Name
    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class TestEvent:
    """`on event "text" (fields)`."""

    event: EventRef
    text: String | None
    arguments: tuple[Argument, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Wait:
    """`wait duration`."""

    duration: Duration
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ExpectAct:
    """`expect act` or `expect no act`; the arguments written must be among the act's."""

    no: bool
    act: ActRef
    arguments: tuple[Argument, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ExpectThat:
    """`expect that condition`."""

    condition: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ExpectBroken:
    """`expect broken requirement`."""

    requirement: Name
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Attempt:
    """`attempt act`."""

    act: Act
    span: Span = _span()


TestStep: TypeAlias = Given | TestEvent | Wait | ExpectAct | ExpectThat | ExpectBroken | Attempt


@dataclass(frozen=True, slots=True)
class Test:
    """`test "title"` and its steps."""

    title: String
    steps: tuple[TestStep, ...]
    span: Span = _span()


Clause: TypeAlias = (
    Policy
    | Import
    | Enum
    | Record
    | Fact
    | Define
    | Agent
    | Tool
    | Tools
    | OutsideEvent
    | Queue
    | Speech
    | Assume
    | Section
    | Rule
    | Require
    | Test
)


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its clauses in order."""

    path: str
    clauses: tuple[Clause, ...]
