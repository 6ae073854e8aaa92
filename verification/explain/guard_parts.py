"""The parts of a policy that a proof may rest on: rules, the parts of their guards, and what is assumed of tools.

`loosened` is the program in which each part is as it is only where its label holds; elsewhere it is anything.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace

from charter.dsl import program as p
from charter.dsl.load import Loaded
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.happenings import kinds_of
from charter.dsl.program import EventInfo, EventKind, Expr, Its, Program
from charter.dsl.source import Span
from charter.dsl.syntax import tree as s
from charter.dsl.syntax.phrases import expr_text
from charter.dsl.types import BOOL


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a policy. Without `text` it is a whole rule: that it acts where its guard holds, and only there."""

    rule: str | None  # None for what is assumed of a tool
    text: str | None
    span: Span
    defines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loosened:
    """The program with labels, which part each number is, and the agents whose suggestions a part of a guard reads."""

    program: Program
    parts: tuple[Part, ...]
    agents: Mapping[Part, tuple[str, ...]]


def label(number: int) -> str:
    """The field of an event that says that this part is as it is."""
    return f"keeps {number}"


def chance(number: int) -> str:
    """The field of an event that stands in for this part where it is not as it is."""
    return f"chance {number}"


def loosened(loaded: Loaded) -> Loosened:
    """The program of a policy, with a label for each part."""
    return _Loosening(loaded).run()


@dataclass(slots=True)
class _Loosening:
    loaded: Loaded
    numbers: dict[Part, int] = field(default_factory=dict)
    agents: dict[Part, set[str]] = field(default_factory=dict)
    added: dict[EventKind, dict[str, None]] = field(default_factory=dict)

    def run(self) -> Loosened:
        program = self.loaded.program
        rules = {rule.name.text: (section, rule) for section, rule in self.loaded.names.sections}
        strata = {
            kind: tuple(tuple(self._clause(kind, clause, *rules[clause.rule]) for clause in each) for each in levels)
            for kind, levels in program.strata.items()
        }
        assumes = {c.tool.text: c for f in self.loaded.files for c in f.document.clauses if isinstance(c, s.Assume)}
        assumptions = {
            kind: self._loose(kind, Part(None, expr_text(assumes[kind].condition), assumes[kind].span), expr)
            for kind, expr in program.assumptions.items()
        }
        events = {kind: self._event(info) for kind, info in program.events.items()}
        made = replace(program, strata=strata, assumptions=assumptions, events=events)
        return Loosened(made, tuple(self.numbers), {part: tuple(sorted(names)) for part, names in self.agents.items()})

    def _event(self, info: EventInfo) -> EventInfo:
        labels = tuple((name, BOOL) for name in self.added.get(info.kind, ()))
        return replace(info, fields=(*info.fields, *labels))

    def _clause(self, kind: EventKind, clause: p.Clause, section: s.Section | None, rule: s.Rule) -> p.Clause:
        written = list(self._written(kind, section, rule))
        guard, name = clause.guard, clause.rule
        if len(written) == 1:
            guard = self._guard(kind, name, written[0], guard)
        elif written:
            assert isinstance(guard, p.And)
            guard = p.And(tuple(self._guard(kind, name, w, g) for w, g in zip(written, guard.parts, strict=True)))
        return replace(clause, guard=self._loose(kind, Part(name, None, rule.span), guard))

    def _written(self, kind: EventKind, section: s.Section | None, rule: s.Rule) -> Iterator[tuple[s.Expr, ...]]:
        """What a guard was written as, in order; what narrows several triggers of one kind is one part."""
        if section is not None and section.when is not None:
            yield (section.when,)
        narrowing = []
        for trigger in rule.triggers:
            assert isinstance(trigger.of, s.EventRef)
            if kind in kinds_of(trigger.of, self.loaded.names, dict(self.loaded.program.events), Findings()):
                narrowing.append(trigger.when)
        if None not in narrowing:
            yield tuple(each for each in narrowing if each is not None)
        if rule.when is not None:
            yield (rule.when,)

    def _guard(self, kind: EventKind, rule: str, written: tuple[s.Expr, ...], guard: Expr) -> Expr:
        match written, guard:
            case ((s.Junction("and", ways),), p.And(parts)) if len(ways) == len(parts):
                return p.And(tuple(self._guard(kind, rule, (w,), g) for w, g in zip(ways, parts, strict=True)))
        text = " or ".join(expr_text(each) for each in written)
        defines = tuple(sorted(set(_defines(written, self.loaded.names.defines))))
        part = Part(rule, text, written[0].span, defines)
        if suggesting := set(_agents(guard, kind, self.loaded.program)):
            self.agents.setdefault(part, set()).update(suggesting)
        return self._loose(kind, part, guard)

    def _loose(self, kind: EventKind, part: Part, expr: Expr) -> Expr:
        number = self.numbers.setdefault(part, len(self.numbers))
        kept, any_ = Its(label(number), BOOL), Its(chance(number), BOOL)
        self.added.setdefault(kind, {}).update({kept.field: None, any_.field: None})
        return p.Or((p.And((kept, expr)), p.And((p.Not(kept), any_))))


def _defines(node: object, known: Mapping[str, object]) -> Iterator[str]:
    """The defines that a condition mentions."""
    match node:
        case s.Ref(name) if name in known:
            yield name
        case s.Apply(name) if name.text in known:
            yield name.text
    if isinstance(node, tuple):
        for item in node:
            yield from _defines(item, known)
    elif is_dataclass(node) and not isinstance(node, type):
        for each in fields(node):
            yield from _defines(getattr(node, each.name), known)


def _agents(node: object, kind: EventKind, program: Program) -> Iterator[str]:
    """The agents whose suggestions a condition reads."""
    match node:
        case p.Read(variable) if program.variables[variable].role is p.Role.SUGGESTION:
            yield from (name for name in program.agents if variable.startswith(f"{name}."))
        case Its() if kind in program.agents:
            yield str(kind)
    if isinstance(node, tuple):
        for item in node:
            yield from _agents(item, kind, program)
    elif isinstance(node, Expr):
        for each in fields(node):
            yield from _agents(getattr(node, each.name), kind, program)
