"""`--why`: the rules, guards and assumptions that each proof rests on, and the guard parts that no proof needs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from charter.dsl.load import Loaded
from charter.dsl.source import Span
from charter.dsl.values import Json
from charter.verification.explain.guard_parts import Part, loosened
from charter.verification.explain.rests_on import Grounds, Unshown
from charter.verification.prove.invariants import FACTS
from charter.verification.prove.prove import Subject
from charter.verification.prove.verdicts import Invariant, Proved, Result
from charter.verification.workers import Limits


@dataclass(frozen=True, slots=True)
class Rests:
    """What a proof rests on. `beside`: of conversations in which one of these is broken before it says nothing."""

    name: str
    on: tuple[Part, ...] | Unshown
    beside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """What each proof rests on.

    `spare`: parts of guards, each of which may be left out, and all is still proved; None where not all is.
    """

    rests: tuple[Rests, ...]
    spare: tuple[Part, ...] | None


def why(loaded: Loaded, subject: Subject, results: Sequence[Result], only: str | None, limits: Limits) -> Why:
    """What the proofs of a policy rest on, or one of them. What is spare shows only in all of them together."""
    policy = loosened(loaded)
    name = subject.machine.graph.name
    facts = [tuple((name(column), value) for column, value in clause) for clause in subject.facts.clauses]
    grounds = Grounds(policy, facts, subject.budget.path, limits)
    asked = ((each.name, each.verdict) for each in results if only in (None, each.name))
    proofs = {goal: _own(verdict) for goal, verdict in asked if isinstance(verdict, Proved)}
    rests = []
    for goal, found in grounds.of(proofs).items():
        on = found if isinstance(found, Unshown) else tuple(sorted(found, key=_order))
        rests.append(Rests(goal, on, tuple(sorted({each for i in proofs[goal] for each in i.beside}))))
    if len(rests) < len(results) or any(isinstance(each.on, Unshown) for each in rests):
        return Why(tuple(rests), None)
    spare = (part for part in grounds.spare() if part.rule and part.text)
    return Why(tuple(rests), tuple(sorted(spare, key=_order)))


def why_text(found: Why) -> Iterator[str]:
    """The answer as lines."""
    for each in found.rests:
        yield f"{each.name} rests on"
        if isinstance(each.on, Unshown):
            yield f"  what cannot be told: {each.on.why}"
            continue
        for rule, parts in _by_rule(each.on):
            said = " and ".join(f"`{part.text}`" for part in parts if part.text)
            what = f"rule {rule}" if rule else "what is assumed of a tool"
            yield f"  {what}  {parts[0].span}" + (f"  when {said}" if said else "")
        defines = sorted({define for part in each.on for define in part.defines})
        if defines:
            yield f"  define {', '.join(defines)}"
        if not each.on:
            yield "  nothing of when rules fire: what they do suffices"
        for goal in each.beside:
            yield f"  {goal}, which must not be broken before"
    if found.spare:
        yield "no proof needs, each by itself"
    for part in found.spare or ():
        yield f"  `{part.text}` in rule {part.rule}  {part.span}"


def why_json(found: Why) -> dict[str, Json]:
    """The answer as docs/schemas/verified.json says."""
    rests: dict[str, Json] = {}
    for each in found.rests:
        if isinstance(each.on, Unshown):
            rests[each.name] = {"unshown": each.on.why}
            continue
        rests[each.name] = {
            "rules": [
                {"rule": rule, "at": _place(parts[0].span), "guard": [_part(part) for part in parts if part.text]}
                for rule, parts in _by_rule(each.on)
                if rule
            ],
            "assumptions": [_part(part) for part in each.on if part.rule is None],
            "defines": [*sorted({define for part in each.on for define in part.defines})],
            "beside": list(each.beside),
        }
    spare: Json = None
    if found.spare is not None:
        spare = [{"rule": part.rule, **_part(part)} for part in found.spare]
    return {"rests_on": rests, "spare": spare}


def _own(proof: Proved) -> tuple[Invariant, ...]:
    return tuple(each for each in proof.invariants if each.case != FACTS)


def _order(part: Part) -> tuple[Span, str]:
    return part.span, part.text or ""


def _by_rule(parts: Sequence[Part]) -> Iterator[tuple[str | None, list[Part]]]:
    for rule, some in groupby(parts, key=lambda part: part.rule):
        yield rule, list(some)


def _part(part: Part) -> dict[str, Json]:
    return {"text": part.text, "at": _place(part.span)}


def _place(span: Span) -> Json:
    return {"file": span.path, "line": span.line}
