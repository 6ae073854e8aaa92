"""What an agent could do if a guard were not there: for each agent and requirement the shortest conversation found.

A guard part that reads what an agent suggests is left out; where a proof rests on it, and does not stand without it,
the requirement is proved again. Whether it breaks may not be decided then, which is told too.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import inf

from charter.dsl.load import Loaded
from charter.dsl.program import Program
from charter.verification.explain.guard_parts import Part, loosened
from charter.verification.explain.why import Why
from charter.verification.mutate.mutants import compiled, mutants
from charter.verification.prove.machine import goals_of
from charter.verification.prove.prove import Settings, broken, subject_of
from charter.verification.prove.pursue import Budget
from charter.verification.prove.standing import Standing
from charter.verification.prove.verdicts import Refuted, Unknown
from charter.verification.workers import Failed, Limits, worked, worked_in_order

LESS = 10
"""So many times less work than a proof that is owed is given one that is not."""


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What becomes of the requirement without the guard part, which reads what the agent suggests: a conversation of
    the program `of` breaks it, or that is not decided."""

    agent: str
    requirement: str
    part: Part
    of: Program
    verdict: Refuted | Unknown


def misbehaviours(loaded: Loaded, why: Why, standing: Standing, limits: Limits) -> Iterator[Misbehaviour]:
    """The shortest for each agent and requirement, or what is not decided, in the order of the policy."""
    agents = loosened(loaded).agents
    made = ((m.span, compiled(m, loaded.sources)) for m in mutants(loaded) if m.kind == "guard")
    programs = {span: program for span, program in made if isinstance(program, Program)}
    needing: dict[Part, set[str]] = {}
    for each in why.rests:
        for part in each.on if isinstance(each.on, tuple) else ():
            if part in agents and part.span in programs:
                needing.setdefault(part, set()).add(each.name)
    of_parts, of_proofs = limits.nested()

    def work(part: Part) -> tuple[tuple[str, Refuted | Unknown], ...]:
        return tuple(_in_danger(programs[part.span], needing[part], standing, of_proofs))

    shortest: dict[tuple[str, str], Misbehaviour] = {}
    for part, found in zip(needing, worked_in_order(tuple(needing), work, of_parts), strict=True):
        for name, verdict in _undecided(needing[part], found.why) if isinstance(found, Failed) else found:
            for agent in agents[part]:
                new = Misbehaviour(agent, name, part, programs[part.span], verdict)
                old = shortest.get((agent, name))
                if old is None or _size(new) < _size(old):
                    shortest[agent, name] = new
    order = [goal.name for goal in goals_of(loaded.program)]
    yield from sorted(shortest.values(), key=lambda each: (order.index(each.requirement), each.agent))


def _in_danger(
    program: Program, names: Collection[str], standing: Standing, limits: Limits
) -> Iterator[tuple[str, Refuted | Unknown]]:
    """Which of these the program breaks, or may break; what stands is not looked at."""
    known = standing.subject.recall.cache
    cache = None if known is None else replace(known, frozen=True)
    settings = Settings(standing.subject.budget, limits, cache)
    lost = standing.lost(program, settings)
    settings = replace(settings, budget=_little(settings.budget))
    asked = sorted(name for name in names if lost is None or name in lost)
    if asked:
        subject = subject_of(program, settings) if lost is None else standing.edited(program, asked, settings)
        for name, found in worked(asked, partial(broken, subject), limits):
            if found is not None:
                yield name, Unknown(found.why, 0) if isinstance(found, Failed) else found


def _undecided(names: Iterable[str], why: str) -> Iterator[tuple[str, Unknown]]:
    return ((name, Unknown(why, 0)) for name in names)


def _little(budget: Budget) -> Budget:
    little = {each: max(1, getattr(budget, each) // LESS) for each in ("invariant", "path", "walk", "rounds")}
    return replace(budget, length=budget.length // 2, **little)


def _size(of: Misbehaviour) -> tuple[float, str, int]:
    events = len(of.verdict.events) if isinstance(of.verdict, Refuted) else inf
    return events, of.part.span.path, of.part.span.line
