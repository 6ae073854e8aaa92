"""From the documents of a policy to its program: the passes in a row. Each reports all that it can find."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from charter.dsl import program as p
from charter.dsl.diagnostics import Code, did_you_mean
from charter.dsl.evaluate import constant
from charter.dsl.lower.complete import check_complete, names_used
from charter.dsl.lower.endless import check_endless
from charter.dsl.lower.environment import environment, uses_of
from charter.dsl.lower.expansion import used_first
from charter.dsl.lower.expressions import check_define, condition, typed
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.names import Names, Parameters, declare
from charter.dsl.lower.requirements import requirements_of
from charter.dsl.lower.rules import clauses_of, collected_facts, started_timers
from charter.dsl.lower.scope import Ill, Scope
from charter.dsl.lower.stratify import stratify
from charter.dsl.lower.texts import speech_of
from charter.dsl.lower.written import duration_ms
from charter.dsl.program import (
    Agent,
    EventKind,
    Expr,
    Lifetime,
    Program,
    Queue,
    Role,
    RuleInfo,
    Tool,
    Variable,
    VariableInfo,
)
from charter.dsl.source import Source, Span
from charter.dsl.syntax import tree as s
from charter.dsl.types import OptionalType, Type, Value

MAX_USES = 100


def lower(documents: Sequence[s.Document], sources: Iterable[Source], findings: Findings) -> tuple[Names, Program]:
    """The program of a policy's documents. It means something only if `findings` has no error."""
    names = declare(documents, findings)
    fallback = _header(names, _beginning(documents), findings)
    for name in used_first({name: tuple(names_used([define])) for name, define in names.defines.items()}):
        check_define(names.defines[name], names, findings)
    facts = _facts(names, findings)
    agents, tools = _agents(names, findings), _tools(names, findings)
    world = environment(names, started_timers(names), collected_facts(names))
    variables = {**facts, **world.variables}
    clauses = clauses_of(names, world.events, findings)
    spans = {rule.name.text: rule.name.span for rule in names.rules.values()}
    strata = {kind: stratify(found, kind, spans, findings) for kind, found in clauses.items()}
    initial = {name: info.initial for name, info in variables.items()}
    lowered = requirements_of(names, world, initial, findings)
    program = Program(
        name=names.policy.name.text if names.policy else "",
        digest=digest_of(sources),
        languages=names.languages,
        fallback=fallback,
        enums=names.enums,
        records=names.records,
        agents=agents,
        tools=tools,
        queues=_queues(names, findings),
        speech=speech_of(names, findings),
        variables={**variables, **lowered.ghosts},
        events=world.events,
        rules={name: RuleInfo(name, span) for name, span in spans.items()},
        strata=strata,
        bookkeeping=tuple(world.books),
        requirements=tuple(lowered.requirements),
        assumptions=_assumptions(names, findings),
        waiting=p.Or(tuple(world.waits)),
    )
    check_complete(names, program, findings)
    check_endless(names, program, findings)
    return names, program


def digest_of(sources: Iterable[Source]) -> str:
    """sha256 over the paths and texts of the files, in order of import, hexadecimal."""
    digest = hashlib.sha256()
    for source in sources:
        for part in (source.path, source.text):
            encoded = part.encode()
            digest.update(len(encoded).to_bytes(8, "big"))
            digest.update(encoded)
    return digest.hexdigest()


# --- the header ------------------------------------------------------------------------------------------------------


def _header(names: Names, beginning: Span, findings: Findings) -> str:
    policy = names.policy
    if policy is None:
        findings.error(Code.HEADER, "the policy has no `policy` clause", beginning, "begin with `policy name`")
        return ""
    if not policy.languages:
        findings.error(Code.HEADER, "the policy names no language", policy.name.span, "add `languages en`")
    for place, name in enumerate(policy.languages):
        if name.text in {earlier.text for earlier in policy.languages[:place]}:
            findings.error(Code.DUPLICATE, f"`{name.text}` stands twice", name.span)
    if policy.fallback is None:
        message = "the policy has no fallback queue, where a conversation goes that must stop"
        findings.error(Code.HEADER, message, policy.name.span, "add `fallback queue name`")
        return ""
    if policy.fallback.text not in names.queues:
        help_ = did_you_mean(policy.fallback.text, names.queues)
        findings.error(Code.UNKNOWN_NAME, f"there is no queue `{policy.fallback.text}`", policy.fallback.span, help_)
    return policy.fallback.text


def _beginning(documents: Sequence[s.Document]) -> Span:
    """The first place of the policy."""
    return Span(documents[0].path if documents else "policy.charter", 1, 1, 1, 2)


# --- facts, agents, tools --------------------------------------------------------------------------------------------


def _facts(names: Names, findings: Findings) -> dict[Variable, VariableInfo]:
    found: dict[Variable, VariableInfo] = {}
    for name, info in names.facts.items():
        initial = info.syntax.initial
        value: Value = None
        if initial is not None:
            value = _constant(initial, info.type, names, findings)
        elif not isinstance(info.type, OptionalType):
            message = f"`{name}` needs an initial value"
            findings.error(Code.HEADER, message, info.syntax.name.span, "add `= value`, or `?` after its type")
        lifetime = Lifetime.TURN if info.syntax.turn else Lifetime.CONVERSATION
        found[Variable(name)] = VariableInfo(Variable(name), info.type, value, lifetime, Role.FACT)
    return found


def _constant(syntax: s.Expr, type_: Type, names: Names, findings: Findings) -> Value:
    found = typed(syntax, Scope(names, findings, variables=False), type_)
    if isinstance(found, Ill):
        return None
    if not _is_constant(found):
        findings.error(Code.TYPE, "an initial or default value is written out", syntax.span)
        return None
    return constant(found, {})


def _is_constant(expr: Expr) -> bool:
    match expr:
        case p.Const():
            return True
        case p.Make(_, parts) | p.And(parts) | p.Or(parts):
            return all(_is_constant(part) for part in parts)
        case p.Not(of) | p.Known(of):
            return _is_constant(of)
        case p.Arithmetic(_, left, right) | p.Compare(_, left, right):
            return _is_constant(left) and _is_constant(right)
        case _:
            return False


def _agents(names: Names, findings: Findings) -> dict[str, Agent]:
    found: dict[str, Agent] = {}
    for name, (clause, params) in names.agents.items():
        within = _within(clause.within, clause.name, findings)
        _uses(clause.up_to, findings)
        defaults: dict[str, Value] = {}
        for field in clause.fields:
            type_ = params.get(field.name.text)
            if field.default is not None and type_ is not None:
                defaults[field.name.text] = _constant(field.default, type_, names, findings)
        found[name] = Agent(name, params.fields, within, uses_of(clause), _chain(clause, names, findings), defaults)
    return found


def _chain(clause: s.Agent, names: Names, findings: Findings) -> tuple[str, ...]:
    """The agents that answer in this one's name, in order; they suggest what it suggests."""
    chain: list[str] = []
    fields = names.agents[clause.name.text][1].fields
    at = clause
    while at.otherwise is not None:
        other = at.otherwise
        if other.text not in names.agents:
            help_ = did_you_mean(other.text, names.agents)
            findings.error(Code.UNKNOWN_NAME, f"there is no agent `{other.text}`", other.span, help_)
            break
        if other.text in chain or other.text == clause.name.text:
            findings.error(Code.CHAIN, f"the chain comes back to `{other.text}`", other.span)
            break
        if dict(names.agents[other.text][1].fields) != dict(fields):
            message = f"`{other.text}` does not suggest what `{clause.name.text}` suggests"
            findings.error(Code.CHAIN, message, other.span, "give both the same fields")
        chain.append(other.text)
        at = names.agents[other.text][0]
    return tuple(chain)


def _tools(names: Names, findings: Findings) -> dict[str, Tool]:
    found: dict[str, Tool] = {}
    for name, (clause, args, returned) in names.tools.items():
        if clause.reads == clause.writes:
            message, advice = f"`{name}` does not say whether it reads or writes", "add `reads`, or `writes`"
            if clause.reads:
                message, advice = f"`{name}` says both `reads` and `writes`", "a tool that `writes` may read too"
            findings.error(Code.HEADER, message, clause.name.span, advice)
        _uses(clause.up_to, findings)
        given = {n for n, _ in args.fields}
        results = Parameters(tuple((n, t) for n, t in returned.fields if n not in given))
        found[name] = Tool(
            name,
            args.fields,
            results.fields,
            clause.writes,
            clause.idempotent,
            _within(clause.within, clause.name, findings),
            uses_of(clause),
        )
    for name, members in names.groups.items():
        for member in members:
            if member not in names.tools:
                help_ = did_you_mean(member, names.tools)
                findings.error(Code.UNKNOWN_NAME, f"there is no tool `{member}`", names.spans[name], help_)
    return found


def _queues(names: Names, findings: Findings) -> dict[str, Queue]:
    for queue in names.queues.values():
        _uses(queue.up_to, findings)
    return {
        name: Queue(name, duration_ms(queue.within, findings), uses_of(queue)) for name, queue in names.queues.items()
    }


def _within(duration: s.Duration | None, name: s.Name, findings: Findings) -> int:
    if duration is None:
        findings.error(Code.HEADER, f"`{name.text}` has no time limit", name.span, "add `within 300 ms`")
        return 1
    length = duration_ms(duration, findings)
    if not 1 <= length <= 86_400_000:
        findings.error(Code.RANGE, "a time limit is 1 ms to 1 day", duration.span)
    return length


def _uses(up_to: s.Number | None, findings: Findings) -> None:
    if up_to is not None and not (up_to.text.isdigit() and 1 <= int(up_to.text) <= MAX_USES):
        findings.error(Code.RANGE, f"`up to` counts from 1 to {MAX_USES} times", up_to.span)


def _assumptions(names: Names, findings: Findings) -> Mapping[EventKind, Expr]:
    found: dict[EventKind, Expr] = {}
    for assume in names.assumptions:
        if assume.tool.text not in names.tools:
            help_ = did_you_mean(assume.tool.text, names.tools)
            findings.error(Code.UNKNOWN_NAME, f"there is no tool `{assume.tool.text}`", assume.tool.span, help_)
            continue
        kind = EventKind(assume.tool.text)
        scope = Scope(names, findings, names.tools[assume.tool.text][2], assume.tool.text)
        trusted = condition(assume.condition, scope)
        found[kind] = p.And((found[kind], trusted)) if kind in found else trusted
    return found
