"""From written rules to clauses: what each rule does on each kind of event, typed and checked."""

from collections.abc import Mapping
from dataclasses import replace

from charter.dsl import program as p
from charter.dsl.diagnostics import Code, Related, did_you_mean
from charter.dsl.lower.expressions import arguments, condition, typed, variable_of
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.happenings import kinds_of
from charter.dsl.lower.names import Names, Parameters
from charter.dsl.lower.scope import Ill, Scope
from charter.dsl.lower.texts import template
from charter.dsl.program import ActKind, ActSite, Clause, EventInfo, EventKind, Expr, Opening, Variable, Write
from charter.dsl.source import Span
from charter.dsl.syntax import tree as s
from charter.dsl.types import DURATION, ID, OptionalType, Type

SPOKEN_OR_AWAITED = (s.Ask, s.Speak, s.Collect, s.StartTimer, s.Escalate, s.End)


def clauses_of(
    names: Names, events: dict[EventKind, EventInfo], findings: Findings
) -> dict[EventKind, tuple[Clause, ...]]:
    """The clauses on each kind of event, in the order of the file."""
    found: dict[EventKind, list[Clause]] = {kind: [] for kind in events}
    on = {rule.name.text: _triggers(rule, names, events, findings) for _, rule in names.sections}
    overriders = _overriders(names, on, findings)
    place = 0
    for section, rule in names.sections:
        if not on[rule.name.text]:
            _unread(section, rule, names, findings)
        for kind, narrowings in on[rule.name.text].items():
            clause = _clause(section, rule, events[kind], narrowings, overriders, place, names, findings)
            found[kind].append(clause)
        place += len(rule.acts) + sum(len(act.agents) for act in rule.acts if isinstance(act, s.Ask))
    return {kind: tuple(clauses) for kind, clauses in found.items()}


def started_timers(names: Names) -> frozenset[str]:
    """The timers that rules start."""
    return frozenset(a.name.text for _, rule in names.sections for a in rule.acts if isinstance(a, s.StartTimer))


def collected_facts(names: Names) -> frozenset[str]:
    """The facts that rules collect."""
    return frozenset(a.fact.text for _, rule in names.sections for a in rule.acts if isinstance(a, s.Collect))


def act_of(act: s.Act, scope: Scope) -> ActSite | None:
    """One act by itself, as a test attempts it; None where it is nothing that leaves, or has a mistake."""
    sites = _sites(act, scope, 0)
    return sites[0] if sites else None


def _triggers(
    rule: s.Rule, names: Names, events: dict[EventKind, EventInfo], findings: Findings
) -> dict[EventKind, list[s.Expr | None]]:
    """The kinds of event that the rule is on, each with the conditions that narrow it there."""
    on: dict[EventKind, list[s.Expr | None]] = {}
    for trigger in rule.triggers:
        assert isinstance(trigger.of, s.EventRef)
        for kind in kinds_of(trigger.of, names, events, findings):
            on.setdefault(kind, []).append(trigger.when)
    return on


def _overriders(
    names: Names, on: Mapping[str, Mapping[EventKind, object]], findings: Findings
) -> dict[tuple[str, EventKind], tuple[str, ...]]:
    """The rules that override each rule on each kind of event."""
    found: dict[tuple[str, EventKind], tuple[str, ...]] = {}
    for rule in names.rules.values():
        for other in rule.overrides:
            if other.text not in names.rules:
                help_ = did_you_mean(other.text, names.rules)
                findings.error(Code.UNKNOWN_NAME, f"there is no rule `{other.text}`", other.span, help_)
                continue
            shared = on[rule.name.text].keys() & on[other.text].keys()
            unread = not on[rule.name.text] or not on[other.text]
            if (not shared and not unread) or other.text == rule.name.text:
                related = [Related(names.rules[other.text].name.span, f"`{other.text}` is here")]
                message = f"`{rule.name.text}` and `{other.text}` are never on the same event"
                message = "a rule cannot override itself" if other.text == rule.name.text else message
                findings.error(Code.OVERRIDES, message, other.span, None, related)
                continue
            for kind in shared:
                found[other.text, kind] = (*found.get((other.text, kind), ()), rule.name.text)
    return found


def _unread(section: s.Section | None, rule: s.Rule, names: Names, findings: Findings) -> None:
    """Reports the mistakes of a rule all of whose events have one, but for what depends on their fields."""
    event = EventInfo(EventKind(""), (), Opening.OPENS, p.TRUE)
    narrowings = [trigger.when for trigger in rule.triggers if trigger.when is not None]
    _clause(section, rule, event, [*narrowings] or [None], {}, 0, names, findings, unread=True)


# --- one clause ------------------------------------------------------------------------------------------------------


def _clause(
    section: s.Section | None,
    rule: s.Rule,
    event: EventInfo,
    narrowings: list[s.Expr | None],
    overriders: Mapping[tuple[str, EventKind], tuple[str, ...]],
    place: int,
    names: Names,
    findings: Findings,
    *,
    unread: bool = False,
) -> Clause:
    written = frozenset(a.fact.text for a in rule.acts if isinstance(a, s.SetFact | s.Forget))
    scope = Scope(names, findings, Parameters(event.fields), event.kind, written, unread=unread)
    guards: list[Expr] = []
    if section is not None and section.when is not None:
        guards.append(condition(section.when, replace(scope, its=None)))
    if None not in narrowings:
        inner = scope.knowing(*guards)
        options = tuple(condition(narrowing, inner) for narrowing in narrowings if narrowing is not None)
        guards.append(options[0] if len(options) == 1 else p.Or(options))
    if rule.when is not None:
        guards.append(condition(rule.when, scope.knowing(*guards)))
    scope = scope.knowing(*guards)
    writes: list[Write] = []
    sites: list[ActSite] = []
    for act in rule.acts:
        if event.ends and isinstance(act, SPOKEN_OR_AWAITED):
            message = f"after `{event.kind}` the conversation is over: nobody is there for this"
            findings.error(Code.AFTER_END, message, act.span, "facts can be set, tools called and notes made")
        writes += _write(act, scope)
        sites += _sites(act, scope, place + len(sites))
    _once(writes, rule, findings)
    guard = guards[0] if len(guards) == 1 else p.And(tuple(guards))
    return Clause(rule.name.text, guard, overriders.get((rule.name.text, event.kind), ()), tuple(writes), tuple(sites))


def _once(writes: list[Write], rule: s.Rule, findings: Findings) -> None:
    seen: set[Variable] = set()
    for write in writes:
        if write.variable in seen:
            findings.error(Code.DUPLICATE, f"`{rule.name.text}` sets `{write.variable}` twice", rule.name.span)
        seen.add(write.variable)


def _write(act: s.Act, scope: Scope) -> list[Write]:
    match act:
        case s.SetFact(fact, value):
            found = variable_of(scope.names, fact.text, scope.findings, fact.span)
            if found is None:
                return []
            result = typed(value, scope, found[1])
            return [] if isinstance(result, Ill) else [Write(found[0], result)]
        case s.Forget(fact):
            found = variable_of(scope.names, fact.text, scope.findings, fact.span)
            if found is None:
                return []
            if not isinstance(found[1], OptionalType):
                message = f"`{fact.text}` is always known, so it cannot be forgotten"
                scope.findings.error(Code.TYPE, message, fact.span, "declare it with `?`")
                return []
            return [Write(found[0], p.Const(None, found[1]))]
        case _:
            return []


def _sites(act: s.Act, scope: Scope, place: int) -> list[ActSite]:
    names, findings = scope.names, scope.findings
    match act:
        case s.SetFact() | s.Forget():
            return []
        case s.Note(text):
            return [ActSite(ActKind.NOTE, "", (("text", reason(text, scope)),), None, place)]
        case s.Ask(agents):
            known = [name for name in agents if _is(name, names.agents, "agent", findings)]
            return [ActSite(ActKind.ASK, name.text, (), None, place + i) for i, name in enumerate(known)]
        case s.Call(tool, args, span):
            if not _is(tool, names.tools, "tool", findings):
                return []
            given = arguments(args, names.tools[tool.text][1], scope, f"`{tool.text}`", span)
            return [] if isinstance(given, Ill) else [ActSite(ActKind.CALL, tool.text, given, None, place)]
        case s.Speak(kind, name, args, span):
            return _speak(ActKind(kind), name, args, scope, span, place)
        case s.Collect(fact):
            found = variable_of(names, fact.text, findings, fact.span)
            return [] if found is None else [ActSite(ActKind.COLLECT, fact.text, (), None, place)]
        case s.StartTimer(name, duration):
            length = typed(duration, scope, DURATION)
            args_ = () if isinstance(length, Ill) else (("duration", length),)
            return [ActSite(ActKind.TIMER, name.text, args_, None, place)]
        case s.Escalate(queue, because):
            if not _is(queue, names.queues, "queue", findings):
                return []
            return [ActSite(ActKind.ESCALATE, queue.text, (), _because(because, scope), place)]
        case s.End(because):
            return [ActSite(ActKind.END, "", (), _because(because, scope), place)]


def _speak(
    kind: ActKind, name: s.Name, args: tuple[s.Argument, ...] | None, scope: Scope, span: Span, place: int
) -> list[ActSite]:
    names = scope.names
    if (kind, name.text) not in names.speech:
        other = ActKind.SAY if kind is ActKind.DISCLOSE else ActKind.DISCLOSE
        what = "disclosure" if kind is ActKind.DISCLOSE else "prompt"
        if (other, name.text) in names.speech:
            message, help_ = f"`{name.text}` is no {what}", f"write `{other} {name.text}`"
            scope.findings.error(Code.WRONG_KIND, message, name.span, help_)
        else:
            known = [n for k, n in names.speech if k is kind]
            message = f"there is no {what} `{name.text}`"
            scope.findings.error(Code.UNKNOWN_NAME, message, name.span, did_you_mean(name.text, known))
        return []
    given = arguments(args or (), names.speech[kind, name.text][1], scope, f"`{name.text}`", span)
    return [] if isinstance(given, Ill) else [ActSite(kind, name.text, given, None, place)]


def _because(text: s.String | None, scope: Scope) -> Expr | None:
    return None if text is None else reason(text, scope)


def reason(text: s.String, scope: Scope) -> Expr:
    """A reason or note, whose slots are fields of the event or facts."""
    its = scope.its or Parameters(())

    def slot(name: str) -> Expr | None:
        field: Type | None = its.get(name)
        if field is not None:
            return p.Its(name, field)
        fact = scope.names.facts.get(name)
        if fact is None:
            return p.Const(None, ID) if scope.unread else None
        return p.Read(Variable(name), fact.type, name in scope.old)

    known = [*(name for name, _ in its.fields), *scope.names.facts]
    return template(text, slot, known, scope.findings)


def _is(name: s.Name, table: Mapping[str, object], kind: str, findings: Findings) -> bool:
    if name.text in table:
        return True
    help_ = did_you_mean(name.text, table)
    findings.error(Code.UNKNOWN_NAME, f"there is no {kind} `{name.text}`", name.span, help_)
    return False
