"""Mutants: a policy with one thing left out, so that proofs can be tested. What nobody notices, nobody requires.

They are made over the syntax and go through the normal passes, so each has a place in a file and an author's words.
Only rules are changed: requirements are the judges.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TypeAlias, TypeVar

from charter.dsl.diagnostics import Diagnostic, Severity
from charter.dsl.load import Loaded
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.passes import lower
from charter.dsl.program import Program
from charter.dsl.source import Source, Span
from charter.dsl.syntax import tree as s
from charter.dsl.syntax.phrases import act_text, expr_text

_Node = TypeVar("_Node")
Documents: TypeAlias = tuple[s.Document, ...]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A policy with one thing left out. `what` says which, as in: without `its frozen`."""

    kind: str  # guard, act, override, disclosure or define
    what: str
    span: Span
    documents: Documents

    def __str__(self) -> str:
        return f"{self.span}: {self.what}"


@dataclass(frozen=True, slots=True)
class Refused:
    """A mutant that is no policy any more: the passes already see that something is missing."""

    diagnostics: tuple[Diagnostic, ...]


def mutants(loaded: Loaded) -> Iterator[Mutant]:
    """Every mutant, in the order of the policy; those that leave a whole disclosure out, last."""
    documents = tuple(parsed.document for parsed in loaded.files)
    defines = {c.name.text: c for d in documents for c in d.clauses if isinstance(c, s.Define)}
    for i, document in enumerate(documents):
        for j, clause in enumerate(document.clauses):
            for changed in _changed(clause, defines):
                clauses = (*document.clauses[:j], changed.node, *changed.also, *document.clauses[j + 1 :])
                made = (*documents[:i], replace(document, clauses=clauses), *documents[i + 1 :])
                yield Mutant(changed.kind, changed.what, changed.span, made)
    yield from _without_disclosures(documents)


def compiled(mutant: Mutant, sources: Sequence[Source]) -> Program | Refused:
    """The program of a mutant of a policy with these sources; its digest is its own."""
    findings = Findings()
    _, program = lower(mutant.documents, sources, findings)
    if findings.failed:
        return Refused(tuple(d for d in findings.all if d.severity is Severity.ERROR))
    digest = hashlib.sha256(f"{program.digest} {mutant}".encode()).hexdigest()
    return replace(program, digest=digest)


@dataclass(frozen=True, slots=True)
class _Changed:
    """A clause with a change, and clauses that it needs besides."""

    kind: str
    what: str
    span: Span
    node: s.Clause
    also: tuple[s.Clause, ...] = ()


def _changed(clause: s.Clause, defines: Mapping[str, s.Define]) -> Iterator[_Changed]:
    match clause:
        case s.Rule():
            yield from _rule(clause, defines)
        case s.Section(_, when, rules):
            for less in _less(when):
                yield _Changed("guard", less.what, less.span, replace(clause, when=less.expr))
            yield from _uses(clause, "when", defines)
            for i, rule in enumerate(rules):
                for changed in _rule(rule, defines):
                    assert isinstance(changed.node, s.Rule)
                    among = (*rules[:i], changed.node, *rules[i + 1 :])
                    yield replace(changed, node=replace(clause, rules=among))
        case s.Define():
            yield from _uses(clause, "value", defines)


def _rule(rule: s.Rule, defines: Mapping[str, s.Define]) -> Iterator[_Changed]:
    of = f"rule {rule.name.text}"
    for i, overridden in enumerate(rule.overrides):
        left = (*rule.overrides[:i], *rule.overrides[i + 1 :])
        what = f"{of} does not override `{overridden.text}`"
        yield _Changed("override", what, overridden.span, replace(rule, overrides=left))
    for i, trigger in enumerate(rule.triggers):
        for less in _less(trigger.when):
            among = (*rule.triggers[:i], replace(trigger, when=less.expr), *rule.triggers[i + 1 :])
            yield _Changed("guard", f"{of} {less.what}", less.span, replace(rule, triggers=among))
    for less in _less(rule.when):
        yield _Changed("guard", f"{of} {less.what}", less.span, replace(rule, when=less.expr))
    for i, act in enumerate(rule.acts):
        for without, what, span in _fewer(act):
            acts = (*rule.acts[:i], *without, *rule.acts[i + 1 :])
            yield _Changed("act", f"{of} without `{what}`", span, replace(rule, acts=acts))
    for part in ("triggers", "when", "acts"):
        for changed in _uses(rule, part, defines):
            yield replace(changed, what=f"{of} {changed.what}")


def _fewer(act: s.Act) -> Iterator[tuple[tuple[s.Act, ...], str, Span]]:
    """An act less: nothing, or where several agents are asked, all but one."""
    if isinstance(act, s.Ask) and len(act.agents) > 1:
        for i, agent in enumerate(act.agents):
            left = (*act.agents[:i], *act.agents[i + 1 :])
            yield (replace(act, agents=left),), f"ask {agent.text}", agent.span
    else:
        yield (), act_text(act), act.span


# --- conditions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Less:
    """A condition with a part left out; None where nothing is left."""

    expr: s.Expr | None
    what: str
    span: Span


def _less(expr: s.Expr | None) -> Iterator[_Less]:
    """The condition without each of its conjuncts, those inside its parts too; or left out whole."""
    if expr is None:
        return
    if not (isinstance(expr, s.Junction) and expr.op == "and"):
        yield _Less(None, f"without `{expr_text(expr)}`", expr.span)
    yield from _inside(expr)


def _inside(expr: s.Expr) -> Iterator[_Less]:
    match expr:
        case s.Junction(op, parts):
            for i, part in enumerate(parts):
                rest = (*parts[:i], *parts[i + 1 :])
                if op == "and":
                    left = rest[0] if len(rest) == 1 else replace(expr, parts=rest)
                    yield _Less(left, f"without `{expr_text(part)}`", part.span)
                for less in _inside(part):
                    assert less.expr is not None
                    yield replace(less, expr=replace(expr, parts=(*parts[:i], less.expr, *parts[i + 1 :])))
        case s.Not(of):
            for less in _inside(of):
                assert less.expr is not None
                yield replace(less, expr=replace(expr, of=less.expr))


# --- defines ---------------------------------------------------------------------------------------------------------


def _uses(clause: s.Rule | s.Section | s.Define, part: str, defines: Mapping[str, s.Define]) -> Iterator[_Changed]:
    """The clause with a define changed at one use of it: there it means the same without a part."""
    for node, use in _replaced(getattr(clause, part), defines):
        define = defines[use.name if isinstance(use, s.Ref) else use.name.text]
        for less in _less(define.value):
            value = s.Boolean(True, less.span) if less.expr is None else less.expr
            name = s.Name(_CHANGED, define.name.span)
            changed = replace(clause, **{part: node})
            what = f"with `{define.name.text}` {less.what}"
            yield _Changed("define", what, use.span, changed, (replace(define, name=name, value=value),))


_CHANGED = "changed define"  # no policy has a name with a blank


def _replaced(node: _Node, defines: Mapping[str, s.Define]) -> Iterator[tuple[_Node, s.Ref | s.Apply]]:
    """The tree with one use of a define after the other replaced by the changed one."""
    match node:
        case s.Ref(name) if name in defines:
            yield replace(node, name=_CHANGED), node
        case s.Apply(name) if name.text in defines:
            yield replace(node, name=replace(name, text=_CHANGED)), node
    if isinstance(node, tuple):
        for i, item in enumerate(node):
            for changed, use in _replaced(item, defines):
                yield (*node[:i], changed, *node[i + 1 :]), use  # type: ignore[misc]  # a tuple like the one given
    elif is_dataclass(node) and not isinstance(node, type | Span):
        for field in fields(node):
            for changed, use in _replaced(getattr(node, field.name), defines):
                yield replace(node, **{field.name: changed}), use


# --- disclosures -----------------------------------------------------------------------------------------------------


def _without_disclosures(documents: Documents) -> Iterator[Mutant]:
    """The policy without each disclosure, wherever it is made in more than one place."""
    made: dict[str, list[Span]] = {}
    for act in _acts(documents):
        if isinstance(act, s.Speak) and act.kind == "disclose":
            made.setdefault(act.name.text, []).append(act.span)
    for name, spans in made.items():
        if len(spans) > 1:
            yield Mutant("disclosure", f"`disclose {name}` left out everywhere", spans[0], _silent(documents, name))


def _acts(node: object) -> Iterator[s.Act]:
    if isinstance(node, s.Rule):
        yield from node.acts
    elif isinstance(node, tuple):
        for item in node:
            yield from _acts(item)
    elif isinstance(node, s.Document | s.Section):
        yield from _acts(node.clauses if isinstance(node, s.Document) else node.rules)


def _silent(node: _Node, name: str) -> _Node:
    match node:
        case s.Rule(acts=acts):
            kept = (a for a in acts if not (isinstance(a, s.Speak) and a.kind == "disclose" and a.name.text == name))
            return replace(node, acts=tuple(kept))
        case s.Section(rules=rules):
            return replace(node, rules=_silent(rules, name))
        case s.Document(clauses=clauses):
            return replace(node, clauses=_silent(clauses, name))
        case tuple():
            return tuple(_silent(item, name) for item in node)  # type: ignore[return-value]  # a tuple like the one given
        case _:
            return node
