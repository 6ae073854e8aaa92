"""What `--deep` found, for people and as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass

from charter.dsl.load import Loaded
from charter.dsl.program import Program
from charter.dsl.values import Json
from charter.verification.explain.deep import Dead, Fires, Life, Unclear, caller_can_go, lives
from charter.verification.explain.misbehaviour import Misbehaviour, misbehaviours
from charter.verification.explain.why import Why
from charter.verification.prove.standing import Standing
from charter.verification.prove.verdicts import Refuted, Unknown
from charter.verification.show.report import FAILS, HOLDS, UNDECIDED
from charter.verification.show.transcript import said
from charter.verification.workers import Limits


@dataclass(frozen=True, slots=True)
class Deep:
    """What is known of each rule; whether the environment can always move; what agents could do but for the guards."""

    lives: tuple[tuple[str, Life], ...]
    moves: bool
    misbehaviours: tuple[Misbehaviour, ...]


def deep(loaded: Loaded, standing: Standing, why: Why, limits: Limits) -> Deep:
    """What lies deeper than verdicts. `why`: what each proof rests on."""
    subject, could = standing.subject, misbehaviours(loaded, why, standing, limits)
    return Deep(tuple(lives(subject, limits)), caller_can_go(subject), tuple(could))


def deep_text(program: Program, deep: Deep) -> Iterator[str]:
    """Lines: a conversation for each rule, what is dead, what agents could do."""
    for rule, life in deep.lives:
        where = f"rule {rule}  {program.rules[rule].span}"
        match life:
            case Fires(events):
                yield f"fires    {where}"
                yield from (f"  {n:>3}  {said(program, event)}" for n, event in enumerate(events, 1))
            case Dead():
                yield f"dead     {where}: no conversation makes it fire"
            case Unclear(why):
                yield f"unknown  {where}: {why}"
    yield "the caller can always hang up" if deep.moves else "there may be a state in which nothing can happen"
    for each in deep.misbehaviours:
        if_not = f"if rule {each.part.rule} did not ask for `{each.part.text}`"
        match each.verdict:
            case Refuted(events):
                yield f"{each.agent} could break {each.requirement} {if_not}  {each.part.span}"
                yield from (f"  {n:>3}  {said(each.of, event)}" for n, event in enumerate(events, 1))
            case Unknown(why):
                yield f"unknown  whether {each.agent} could break {each.requirement} {if_not}  {each.part.span}: {why}"


def deep_json(program: Program, deep: Deep) -> dict[str, Json]:
    """The same as docs/schemas/verified.json says."""
    rules: list[Json] = []
    for rule, life in deep.lives:
        found: dict[str, Json] = {"rule": rule, "at": _at(program.rules[rule].span.path, program.rules[rule].span.line)}
        match life:
            case Fires(events):
                found |= {"life": "fires", "conversation": [said(program, event) for event in events]}
            case Dead():
                found |= {"life": "dead"}
            case Unclear(why):
                found |= {"life": "unknown", "why": why}
        rules.append(found)
    could: list[Json] = [_misbehaviour_json(each) for each in deep.misbehaviours]
    return {"rules": rules, "always_moves": deep.moves, "misbehaviour": could}


def _misbehaviour_json(could: Misbehaviour) -> dict[str, Json]:
    found: dict[str, Json] = {
        "agent": could.agent,
        "requirement": could.requirement,
        "rule": could.part.rule,
        "without": could.part.text,
        "at": _at(could.part.span.path, could.part.span.line),
    }
    match could.verdict:
        case Refuted(events):
            return {**found, "conversation": [said(could.of, event) for event in events]}
        case Unknown(why):
            return {**found, "why": why}


def deep_code(deep: Deep) -> int:
    """The exit code: a dead rule fails."""
    if not deep.moves or any(isinstance(life, Dead) for _, life in deep.lives):
        return FAILS
    return UNDECIDED if any(isinstance(life, Unclear) for _, life in deep.lives) else HOLDS


def _at(path: str, line: int) -> Json:
    return {"file": path, "line": line}
