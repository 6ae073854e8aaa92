"""What a policy declares: the second pass gathers every name, its type and its place.

Facts, defines, agents, tools, tool groups and events share one namespace; types have one; queues, disclosures, prompts,
rules and requirements have one each, since their kind is always said where they are used.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, assert_never

from charter.dsl.diagnostics import Code, Related
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.written import TYPE_WORDS, read_type
from charter.dsl.program import ActKind
from charter.dsl.source import Span
from charter.dsl.syntax import tree as s
from charter.dsl.types import (
    EnumType,
    RecordType,
    Type,
)

NEVER_NAMES = frozenset({"not", "its", "was", "true", "false", "unknown"})
EVENT_WORDS = frozenset(
    {
        "agreement", "approval", "collect", "collected", "cut", "due", "escalate", "escalated", "hangup", "heard",
        "identified", "identify", "interrupt", "keys", "overdue", "refusal", "rejection", "silence", "start", "timer",
        "utterance", "withdrawn",
    }
)  # fmt: skip
_Named = TypeVar("_Named", s.Queue, s.Rule, s.Require)


@dataclass(frozen=True, slots=True)
class FactInfo:
    """A declared fact; its initial value is still syntax."""

    type: Type
    syntax: s.Fact


@dataclass(frozen=True, slots=True)
class Parameters:
    """Typed names: of an agent's answer, a tool's arguments or results, an event, a text."""

    fields: tuple[tuple[str, Type], ...]

    def get(self, name: str) -> Type | None:
        """The type of a name, or None."""
        return next((t for n, t in self.fields if n == name), None)


@dataclass(slots=True)
class Names:
    """Everything declared, by kind and name. Filled by `declare`, read by the passes after it."""

    policy: s.Policy | None = None
    languages: tuple[str, ...] = ()
    types: dict[str, Span] = field(default_factory=dict)  # of enums and records, also those with mistakes
    enums: dict[str, EnumType] = field(default_factory=dict)
    records: dict[str, RecordType] = field(default_factory=dict)
    facts: dict[str, FactInfo] = field(default_factory=dict)
    defines: dict[str, s.Define] = field(default_factory=dict)
    oversized: set[str] = field(default_factory=set)  # defines that are too large, written out; they are reported
    agents: dict[str, tuple[s.Agent, Parameters]] = field(default_factory=dict)
    tools: dict[str, tuple[s.Tool, Parameters, Parameters]] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outside: dict[str, Parameters] = field(default_factory=dict)
    more: dict[str, Parameters] = field(default_factory=dict)  # fields that `event start { … }` adds
    queues: dict[str, s.Queue] = field(default_factory=dict)
    speech: dict[tuple[ActKind, str], tuple[s.Speech, Parameters]] = field(default_factory=dict)
    rules: dict[str, s.Rule] = field(default_factory=dict)
    requirements: dict[str, s.Require] = field(default_factory=dict)
    assumptions: list[s.Assume] = field(default_factory=list)
    sections: list[tuple[s.Section | None, s.Rule]] = field(default_factory=list)
    tests: list[s.Test] = field(default_factory=list)
    spans: dict[str, Span] = field(default_factory=dict)  # of the shared namespace

    @property
    def language_type(self) -> EnumType:
        """The policy's languages as an enum."""
        return EnumType("Language", self.languages)

    def kind_of(self, name: str) -> str | None:
        """What a name of the shared namespace is, for people."""
        tables: Mapping[str, Mapping[str, object]] = {
            "an agent": self.agents,
            "a tool": self.tools,
            "a group of tools": self.groups,
            "an event": self.outside,
            "a define": self.defines,
            "a fact": self.facts,
        }
        return next((kind for kind, table in tables.items() if name in table), None)


def declare(documents: Iterable[s.Document], findings: Findings) -> Names:
    """Gathers what the documents declare, in order; reports doubled, reserved and unknown names."""
    names = Names()
    clauses = [clause for document in documents for clause in document.clauses]
    _Declaring(names, findings).run(clauses)
    return names


class _Declaring:
    """One run over the clauses."""

    def __init__(self, names: Names, findings: Findings) -> None:
        self._names = names
        self._findings = findings

    def run(self, clauses: list[s.Clause]) -> None:
        for clause in clauses:  # the header first, and types before what has them
            if isinstance(clause, s.Policy):
                self._policy(clause)
        for clause in clauses:
            if isinstance(clause, s.Enum):
                self._enum(clause)
        self._records([clause for clause in clauses if isinstance(clause, s.Record)])
        for clause in clauses:
            self._clause(clause)

    def _clause(self, clause: s.Clause) -> None:
        names = self._names
        match clause:
            case s.Policy() | s.Enum() | s.Record() | s.Import():
                pass
            case s.Fact(_, name, type_):
                if self._fresh(name):
                    names.facts[name.text] = FactInfo(read_type(type_, names, self._findings), clause)
            case s.Define(name):
                if self._fresh(name):
                    names.defines[name.text] = clause
            case s.Agent(name, fields):
                if self._fresh(name):
                    names.agents[name.text] = (clause, self._fields(fields))
            case s.Tool(name, params, returns):
                if self._fresh(name):
                    for param in (*params, *returns):
                        if param.name.text == "reason":
                            message = "the failure of every tool carries `reason` already"
                            self._findings.error(Code.RESERVED, message, param.name.span)
                    names.tools[name.text] = (clause, self._fields(params), self._fields((*params, *returns)))
            case s.Tools(name, members):
                if self._fresh(name):
                    names.groups[name.text] = tuple(member.text for member in members)
            case s.OutsideEvent(name, fields):
                self._event(name, fields)
            case s.Queue(name):
                self._put(names.queues, name, clause, "queue")
            case s.Speech(kind, name, params):
                key = (ActKind(kind), name.text)
                if key in names.speech:
                    self._doubled(name, names.speech[key][0].name.span)
                elif self._allowed(name):
                    names.speech[key] = (clause, self._fields(params))
            case s.Assume():
                names.assumptions.append(clause)
            case s.Section(_, _, rules):
                for rule in rules:
                    self._rule(clause, rule)
            case s.Rule():
                self._rule(None, clause)
            case s.Require(name):
                self._put(names.requirements, name, clause, "requirement")
            case s.Test():
                names.tests.append(clause)
            case _:
                assert_never(clause)

    # --- names

    def _allowed(self, name: s.Name) -> bool:
        if name.text in NEVER_NAMES:
            self._findings.error(Code.RESERVED, f"`{name.text}` is a word of the language, not a name", name.span)
            return False
        return True

    def _fresh(self, name: s.Name) -> bool:
        """Takes a name of the shared namespace; false, and reported, where it cannot be had."""
        if name.text in EVENT_WORDS:
            message = f"`{name.text}` is a word for events, so nothing else can have this name"
            self._findings.error(Code.RESERVED, message, name.span)  # declared all the same, or each use is a mistake
        elif not self._allowed(name):
            return False
        if name.text in self._names.spans:
            self._doubled(name, self._names.spans[name.text])
            return False
        self._names.spans[name.text] = name.span
        return True

    def _doubled(self, name: s.Name, first: Span) -> None:
        related = [Related(first, "the first one is here")]
        self._findings.error(Code.DUPLICATE, f"`{name.text}` is declared twice", name.span, None, related)

    def _put(self, table: dict[str, _Named], name: s.Name, clause: _Named, kind: str) -> None:
        if name.text in table:
            self._doubled(name, table[name.text].name.span)
        elif kind == "queue" and name.text == "any":
            self._findings.error(Code.RESERVED, "`any` is every queue, so none can have this name", name.span)
        elif self._allowed(name):
            table[name.text] = clause

    def _rule(self, section: s.Section | None, rule: s.Rule) -> None:
        before = rule.name.text in self._names.rules
        self._put(self._names.rules, rule.name, rule, "rule")
        if not before:
            self._names.sections.append((section, rule))

    def _policy(self, clause: s.Policy) -> None:
        if self._names.policy is not None:
            related = [Related(self._names.policy.name.span, "the first one is here")]
            message = "a policy has one `policy` clause, in one of its files"
            self._findings.error(Code.DUPLICATE, message, clause.name.span, None, related)
            return
        self._names.policy = clause
        self._names.languages = tuple(dict.fromkeys(name.text for name in clause.languages))

    def _event(self, name: s.Name, fields: tuple[s.Field, ...]) -> None:
        if name.text in EVENT_WORDS:
            if name.text not in ("start", "utterance", "keys", "silence", "interrupt", "hangup"):
                self._findings.error(Code.RESERVED, f"`{name.text}` is no event that can be given fields", name.span)
            elif name.text in self._names.more:
                self._findings.error(Code.DUPLICATE, f"`event {name.text}` is declared twice", name.span)
            else:
                self._names.more[name.text] = self._fields(fields)
        elif self._fresh(name):
            self._names.outside[name.text] = self._fields(fields)

    # --- types

    def _enum(self, clause: s.Enum) -> None:
        if not self._fresh_type(clause.name):
            return
        values = [value.name for value in clause.values]
        seen: set[str] = set()
        for value in values:
            if value.text in NEVER_NAMES:
                self._findings.error(Code.RESERVED, f"`{value.text}` is a word of the language", value.span)
            if value.text in seen:
                self._findings.error(Code.DUPLICATE, f"`{value.text}` is a value of this enum twice", value.span)
            seen.add(value.text)
        self._names.enums[clause.name.text] = EnumType(clause.name.text, tuple(v.text for v in values))

    def _records(self, clauses: list[s.Record]) -> None:
        """A record may have fields of records that are declared anywhere, but never contain itself."""
        by_name: dict[str, s.Record] = {}
        for clause in clauses:
            if self._fresh_type(clause.name):
                by_name[clause.name.text] = clause
        pending = dict(by_name)
        while pending:
            ready = [r for r in pending.values() if not any(_mentions(f.type, pending) for f in r.fields)]
            if not ready:
                for record in pending.values():
                    message = f"`{record.name.text}` would contain itself"
                    self._findings.error(Code.RECURSION, message, record.name.span)
                return
            for record in ready:
                fields = self._fields(record.fields).fields
                self._names.records[record.name.text] = RecordType(record.name.text, fields)
                del pending[record.name.text]

    def _fresh_type(self, name: s.Name) -> bool:
        if name.text in TYPE_WORDS or name.text in ("Channel", "Language", "Reason"):
            self._findings.error(Code.RESERVED, f"`{name.text}` is a type of every policy", name.span)
            return False
        if name.text in self._names.types:
            self._doubled(name, self._names.types[name.text])
            return False
        self._names.types[name.text] = name.span
        return self._allowed(name)

    def _fields(self, fields: tuple[s.Field, ...]) -> Parameters:
        seen: dict[str, s.Field] = {}
        for f in fields:
            if f.name.text in seen:
                self._doubled(f.name, seen[f.name.text].name.span)
            elif f.name.text == "now":
                self._findings.error(Code.RESERVED, "every event carries `now` already", f.name.span)
            elif self._allowed(f.name):
                seen[f.name.text] = f
        return Parameters(tuple((name, read_type(f.type, self._names, self._findings)) for name, f in seen.items()))


def _mentions(type_: s.TypeSyntax, records: Mapping[str, s.Record]) -> bool:
    match type_:
        case s.OptionalOf(of):
            return _mentions(of, records)
        case s.NamedType(name):
            return name in records
        case _:
            return False
