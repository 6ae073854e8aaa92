"""What an agent could do if a guard were not there: for each agent and requirement the shortest conversation found.

A guard part that reads what an agent suggests is left out; where a proof rests on it, and does not stand without it,
the requirement is proved again.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from charter.dsl.load import Loaded
from charter.dsl.program import Event, Program
from charter.dsl.semantics import Outcome
from charter.verification.explain.guard_parts import Part, loosened
from charter.verification.explain.why import Why
from charter.verification.mutate.mutants import Refused, compiled, mutants
from charter.verification.prove.machine import goals_of
from charter.verification.prove.prove import Settings, proved, subject_of
from charter.verification.prove.standing import Standing
from charter.verification.prove.verdicts import Refuted
from charter.verification.workers import Limits

PATIENCE = 60.0  # seconds for a proof that is not owed: what is not refuted by then is not told


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """Without the guard part, what the agent suggests here breaks the requirement: a conversation of `of`."""

    agent: str
    requirement: str
    part: Part
    of: Program
    events: tuple[Event, ...]
    outcomes: tuple[Outcome, ...]


def misbehaviours(loaded: Loaded, why: Why, standing: Standing, limits: Limits) -> Iterator[Misbehaviour]:
    """The shortest for each agent and requirement, in the order of the policy."""
    agents = loosened(loaded).agents
    programs = {m.span: compiled(m, loaded.sources) for m in mutants(loaded) if m.kind == "guard"}
    needing: dict[Part, set[str]] = {}
    for each in why.rests:
        for part in each.on if isinstance(each.on, tuple) else ():
            if part in agents and part.span in programs:
                needing.setdefault(part, set()).add(each.name)
    shortest: dict[tuple[str, str], Misbehaviour] = {}
    for part, names in needing.items():
        program = programs[part.span]
        if isinstance(program, Refused):
            continue
        for name, refuted in _broken(program, names, standing, limits):
            for agent in agents[part]:
                new = Misbehaviour(agent, name, part, program, refuted.events, refuted.outcomes)
                old = shortest.get((agent, name))
                if old is None or _size(new) < _size(old):
                    shortest[agent, name] = new
    order = [goal.name for goal in goals_of(loaded.program)]
    yield from sorted(shortest.values(), key=lambda each: (order.index(each.requirement), each.agent))


def _broken(
    program: Program, names: Collection[str], standing: Standing, limits: Limits
) -> Iterator[tuple[str, Refuted]]:
    """Which of these the program breaks; what stands is not looked at."""
    limits = replace(limits, seconds=min(limits.seconds, PATIENCE))
    settings = Settings(standing.subject.budget, limits)
    lost = standing.lost(program, settings)
    asked = sorted(name for name in names if lost is None or name in lost)
    if asked:
        subject = subject_of(program, settings) if lost is None else standing.edited(program, asked, settings)
        for result in proved(subject, limits, asked):
            if isinstance(result.verdict, Refuted):
                yield result.name, result.verdict


def _size(of: Misbehaviour) -> tuple[int, str, int]:
    return len(of.events), of.part.span.path, of.part.span.line
