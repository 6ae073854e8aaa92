"""What a policy must have besides being well written: every failure handled, and nothing declared in vain."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass

from charter.dsl.diagnostics import Code
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.names import Names
from charter.dsl.lower.texts import slot_names
from charter.dsl.program import EventKind, Program
from charter.dsl.source import Span
from charter.dsl.syntax import tree as s


def check_complete(names: Names, program: Program, findings: Findings) -> None:
    """Reports failures that no rule handles, and warns of what is never used."""
    _failures(names, program, findings)
    _unused(names, program, findings)


def _failures(names: Names, program: Program, findings: Findings) -> None:
    """Whatever a rule starts can fail; built in, each failure has a rule."""
    done: set[EventKind] = set()
    for _, rule in names.sections:
        for act in rule.acts:
            for kind in _can_fail(act, names):
                if kind in done or kind not in program.events:
                    continue
                done.add(kind)
                if not any(program.strata[kind]):
                    message = f"no rule handles `{kind}`"
                    findings.error(Code.UNHANDLED, message, act.span, f"add `rule … on {kind} do …`")


def _can_fail(act: s.Act, names: Names) -> list[EventKind]:
    match act:
        case s.Ask(agents):
            return [EventKind(f"{agent.text} fails") for agent in agents]
        case s.Call(tool) if tool.text in names.tools:
            kinds = [EventKind(f"{tool.text} fails")]
            return [*kinds, EventKind(f"{tool.text} uncertain")] if names.tools[tool.text][0].writes else kinds
        case s.Collect(fact):
            return [EventKind(f"collect {fact.text} fails")]
        case s.Escalate(queue):
            return [EventKind(f"escalate {queue.text} fails")]
        case _:
            return []


def _unused(names: Names, program: Program, findings: Findings) -> None:
    mentioned = set(names_used([*names.defines.values(), *names.assumptions, names.policy]))
    mentioned |= set(names_used([rule for _, rule in names.sections]))
    mentioned |= set(names_used([section for section, _ in names.sections if section is not None]))
    mentioned |= set(names_used(names.requirements.values()))
    left = [clause for clause, _ in names.speech.values()]
    acts = [act for _, rule in names.sections for act in rule.acts]
    said = {(act.kind, act.name.text) for act in acts if isinstance(act, s.Speak)}
    queues = {program.fallback, *(act.queue.text for act in acts if isinstance(act, s.Escalate))}
    for speech in left:
        if (speech.kind, speech.name.text) not in said:
            what = "disclosure" if speech.kind == "disclose" else "prompt"
            findings.warning(Code.UNUSED, f"{what} `{speech.name.text}` is never said", speech.name.span)
    chained = {name for agent in program.agents.values() for name in agent.chain}
    for name, span in names.spans.items():
        if name not in mentioned and name not in chained:
            findings.warning(Code.UNUSED, f"`{name}` is never used", span)
    for queue in names.queues.values():
        if queue.name.text not in queues:
            message = f"no rule escalates to queue `{queue.name.text}`"
            findings.warning(Code.UNUSED, message, queue.name.span)


def names_used(nodes: Iterable[object]) -> Iterator[str]:
    """Every name that is used in these nodes, what a clause itself declares left out."""
    for node in nodes:
        yield from _names_in(node, top=True)


def _names_in(node: object, top: bool = False) -> Iterator[str]:
    if isinstance(node, s.Name | s.Ref):
        yield node.text if isinstance(node, s.Name) else node.name
    elif isinstance(node, s.String):
        yield from slot_names(node)
    elif isinstance(node, tuple):
        for item in node:
            yield from _names_in(item)
    elif is_dataclass(node) and not isinstance(node, Span):
        for field in fields(node):
            if not (top and field.name == "name"):
                yield from _names_in(getattr(node, field.name))
