"""Which events and acts a rule or requirement means: `any`, groups and marks become plain kinds and names."""

from charter.dsl.diagnostics import Code, did_you_mean
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.names import EVENT_WORDS, Names
from charter.dsl.program import ActKind, EventInfo, EventKind
from charter.dsl.syntax import tree as s

ALWAYS = ("start", "utterance", "keys", "silence", "interrupt", "hangup")


def kinds_of(
    ref: s.EventRef, names: Names, events: dict[EventKind, EventInfo], findings: Findings
) -> tuple[EventKind, ...]:
    """The kinds of event that a reference means; none where it is wrong, which is reported."""
    name = ref.name.text if ref.name else None
    match ref.mark:
        case "":
            return _plain(ref, name or "", names, findings)
        case "fails" | "uncertain":
            return _answers(ref, name or "", names, findings)
        case "timer":
            known = [kind.removeprefix("timer ") for kind in events if kind.startswith("timer ")]
            return _marked(ref, "timer {}", known, "timer that a rule starts", findings)
        case "collected" | "collect fails":
            pattern = "collected {}" if ref.mark == "collected" else "collect {} fails"
            known = [kind.removeprefix("collected ") for kind in events if kind.startswith("collected ")]
            return _marked(ref, pattern, known, "fact that a rule collects", findings)
        case "escalated" | "escalate fails":
            pattern = "escalated {}" if ref.mark == "escalated" else "escalate {} fails"
            return _marked(ref, pattern, list(names.queues), "queue", findings)
        case _:
            known = [n for kind, n in names.speech if kind is ActKind.DISCLOSE]
            return _marked(ref, ref.mark + " {}", known, "disclosure", findings)


def acts_of(ref: s.ActRef, names: Names, findings: Findings) -> tuple[ActKind, tuple[str, ...]]:
    """The kind and the names of the acts that a reference means; no names where it is wrong, which is reported."""
    kind = ActKind(ref.kind)
    known = names_of_kind(kind, names)
    if ref.name is None:
        excepted: set[str] = set()
        for name in ref.excepted:
            excepted.update(_known(name, known, names, ref.kind, findings))
        return kind, tuple(name for name in known if name not in excepted)
    return kind, _known(ref.name, known, names, ref.kind, findings)


def names_of_kind(kind: ActKind, names: Names) -> tuple[str, ...]:
    """What an act of this kind can be named."""
    match kind:
        case ActKind.DISCLOSE | ActKind.SAY:
            return tuple(name for k, name in names.speech if k is kind)
        case ActKind.COLLECT:
            return tuple(names.facts)
        case ActKind.ASK:
            return tuple(names.agents)
        case ActKind.CALL:
            return tuple(names.tools)
        case ActKind.ESCALATE:
            return tuple(names.queues)
        case _:
            return ("",)


def _known(name: s.Name, known: tuple[str, ...], names: Names, kind: str, findings: Findings) -> tuple[str, ...]:
    if kind == "call" and name.text in names.groups:
        return tuple(member for member in names.groups[name.text] if member in names.tools)
    if name.text in known and name.text:
        return (name.text,)
    what = {"disclose": "disclosure", "say": "prompt", "collect": "fact", "ask": "agent", "call": "tool"}
    message = f"there is no {what.get(kind, 'queue')} `{name.text}`"
    if known == ("",):
        message = f"`{kind}` has no names"
        findings.error(Code.WRONG_KIND, message, name.span, f"write `{kind} any`")
    else:
        findings.error(Code.UNKNOWN_NAME, message, name.span, did_you_mean(name.text, known))
    return ()


def _plain(ref: s.EventRef, name: str, names: Names, findings: Findings) -> tuple[EventKind, ...]:
    if name in ALWAYS or name in names.agents or name in names.tools or name in names.outside:
        return (EventKind(name),)
    if name in names.groups:
        return tuple(EventKind(member) for member in names.groups[name] if member in names.tools)
    known = [*ALWAYS, *names.agents, *names.tools, *names.outside, *names.groups]
    if name in names.facts or name in names.defines:
        kind = "a fact" if name in names.facts else "a define"
        findings.error(Code.WRONG_KIND, f"`{name}` is {kind}, not an event", ref.span, "put conditions after `when`")
    elif name in EVENT_WORDS:
        findings.error(Code.UNKNOWN_NAME, f"`{name}` alone is no event", ref.span)
    else:
        findings.error(Code.UNKNOWN_NAME, f"there is no event `{name}`", ref.span, did_you_mean(name, known))
    return ()


def _answers(ref: s.EventRef, name: str, names: Names, findings: Findings) -> tuple[EventKind, ...]:
    tools = names.groups.get(name, (name,))
    if all(tool in names.tools for tool in tools):
        if ref.mark == "uncertain":
            writes = [tool for tool in tools if names.tools[tool][0].writes]
            if not writes:
                message = f"`{name}` only reads, so it is never `uncertain`"
                findings.error(Code.WRONG_KIND, message, ref.span, f"write `{name} fails`")
            return tuple(EventKind(f"{tool} uncertain") for tool in writes)
        return tuple(EventKind(f"{tool} fails") for tool in tools)
    if name in names.agents and ref.mark == "fails":
        return (EventKind(f"{name} fails"),)
    if name in names.agents:
        findings.error(Code.WRONG_KIND, f"`{name}` is an agent: it answers or fails", ref.span)
    else:
        known = [*names.agents, *names.tools, *names.groups]
        message = f"there is no agent or tool `{name}`"
        findings.error(Code.UNKNOWN_NAME, message, ref.span, did_you_mean(name, known))
    return ()


def _marked(ref: s.EventRef, pattern: str, known: list[str], what: str, findings: Findings) -> tuple[EventKind, ...]:
    if ref.name is None:
        return tuple(EventKind(pattern.format(name)) for name in known)
    if ref.name.text not in known:
        message = f"there is no {what} `{ref.name.text}`" if " " not in what else f"`{ref.name.text}` is no {what}"
        findings.error(Code.UNKNOWN_NAME, message, ref.name.span, did_you_mean(ref.name.text, known))
        return ()
    return (EventKind(pattern.format(ref.name.text)),)
