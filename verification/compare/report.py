"""A comparison for people and for machines (docs/schemas/compared.json)."""

from collections.abc import Iterator
from typing import assert_never

from charter.dsl.acts import spelled_act, spoken
from charter.dsl.load import Loaded
from charter.dsl.program import LANGUAGE, Act, ActKind, Event, Program
from charter.dsl.session import Step, begin, feed
from charter.dsl.values import Json
from charter.verification.compare.diff import DIFFERENT, EQUIVALENT, Diff
from charter.verification.compare.equivalence import Equivalence, Equivalent, Identical, Unshown
from charter.verification.compare.product import Apart
from charter.verification.compare.requirements import Compared
from charter.verification.show.report import event_json, place_json
from charter.verification.show.transcript import said

_STYLES = {EQUIVALENT: "proved", DIFFERENT: "refuted"}


def text(old: Loaded, new: Loaded, found: Diff) -> Iterator[tuple[str, str]]:
    """Lines, each with its style, as `verify` has them."""
    for number, apart in enumerate(found.searched.found, 1):
        yield "refuted", f"different {number}: a conversation of {len(apart.events)} events"
        yield from _conversation(old.program, new.program, apart)
        yield "plain", ""
    for each in found.requirements:
        where = f"  {each.span}" if each.span else ""
        yield "plain", f"{each.change:15} requirement {each.name}{where}  {each.text}"
    yield _STYLES.get(found.code, "unknown"), summary(found)


def summary(found: Diff) -> str:
    """The comparison in a sentence."""
    searched = found.searched
    if searched.found:
        return f"different: {_count(len(searched.found), 'conversation')} found in {searched.steps:,} steps"
    tried = f"no difference in {searched.steps:,} steps"
    match found.equivalence:
        case Identical():
            acts = "the same program, names of rules aside"
        case Equivalent(()):
            acts = "proved to act alike on every path without an incident"
        case Equivalent(beside):
            names = ", ".join(beside)
            acts = f"proved to act alike on every path without an incident, where {names} are proved as well"
        case Unshown(why):
            acts = f"not decided whether they act alike: {tried}, but no proof: {why}"
        case _:
            assert_never(found.equivalence)
    if isinstance(found.equivalence, Unshown):
        return f"unknown: {acts}" if found.code != DIFFERENT else f"different in what they require; {acts}"
    return f"different in what they require; {acts}" if found.code == DIFFERENT else f"equivalent: {acts}"


def to_json_report(paths: tuple[str, str], old: Loaded, new: Loaded, found: Diff) -> dict[str, Json]:
    """The same as JSON."""
    sides = zip(("old", "new"), paths, (old.program, new.program), strict=True)
    return {
        **{side: {"path": path, "policy": p.name, "digest": p.digest} for side, path, p in sides},
        "verdict": {0: "equivalent", 1: "different"}.get(found.code, "unknown"),
        "summary": summary(found),
        "equivalence": _equivalence(found.equivalence),
        "steps": found.searched.steps,
        "differences": [_apart(old.program, new.program, apart) for apart in found.searched.found],
        "requirements": [_requirement(each) for each in found.requirements],
    }


def _conversation(old: Program, new: Program, apart: Apart) -> Iterator[tuple[str, str]]:
    """The conversation: what both do alike, and in the end what each does."""
    session = begin(new)
    for number, event in enumerate(apart.events[:-1], 1):
        yield "event", f"  {number:>3}  {said(_of(old, new, event), event)}"
        if event.kind in new.events:
            session, steps = feed(new, session, event)
            yield from (("act", f"         → {act}") for act, _ in _acts(new, steps))
    last = apart.events[-1]
    yield "event", f"  {len(apart.events):>3}  {said(_of(old, new, last), last)}"
    for side, program, steps in (("old", old, apart.old), ("new", new, apart.new)):
        rules = [rule for step in steps for rule in step.outcome.fired]
        where = ", ".join(f"{rule} {program.rules[rule].span}" for rule in rules) or "no rule"
        yield "quiet", f"       {side}: {where}"
        yield from (
            ("act", f"         → {act}" + (f"  “{words}”" if words else "")) for act, words in _acts(program, steps)
        )
        for step in steps:
            yield from (("refuted", f"         ✗ {b.requirement}: {b.detail}") for b in step.outcome.broken)


def _of(old: Program, new: Program, event: Event) -> Program:
    """The version that knows an event."""
    return new if event.kind in new.events else old


def _acts(program: Program, steps: tuple[Step, ...]) -> list[tuple[str, str]]:
    found = []
    for step in steps:
        language = str(step.outcome.state[LANGUAGE] or program.languages[0])
        found += [(spelled_act(program, act), _words(program, act, language)) for act in step.outcome.acts]
    return found


def _words(program: Program, act: Act, language: str) -> str:
    return spoken(program, act, language) if act.kind in (ActKind.SAY, ActKind.DISCLOSE) else ""


def _apart(old: Program, new: Program, apart: Apart) -> dict[str, Json]:
    events: list[Json] = [event_json(_of(old, new, event), event) for event in apart.events]
    sides = (("old", old, apart.old), ("new", new, apart.new))
    return {"conversation": events, **{side: _side(program, steps) for side, program, steps in sides}}


def _side(program: Program, steps: tuple[Step, ...]) -> dict[str, Json]:
    rules = [rule for step in steps for rule in step.outcome.fired]
    return {
        "rules": [{"rule": rule, "at": place_json(program.rules[rule].span)} for rule in rules],
        "acts": [{"act": act, "words": words or None} for act, words in _acts(program, steps)],
        "broken": [broken.requirement for step in steps for broken in step.outcome.broken],
    }


def _equivalence(found: Equivalence) -> dict[str, Json]:
    match found:
        case Identical():
            return {"proof": "identical"}
        case Equivalent(beside):
            return {"proof": "inductive", "beside": list(beside)}
        case Unshown(why):
            return {"proof": None, "why": why}
        case _:
            assert_never(found)


def _requirement(each: Compared) -> dict[str, Json]:
    return {"name": each.name, "change": str(each.change), "text": each.text, "at": place_json(each.span)}


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")
