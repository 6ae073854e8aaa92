"""What an agent could do if a guard were not there: for each agent and requirement the shortest conversation.

A guard part that reads what an agent suggests is left out; where a proof rests on it, the requirement is pursued again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from charter.dsl.load import Loaded
from charter.dsl.program import Event, Program
from charter.dsl.semantics import Outcome
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.smt import codes_of
from charter.verification.explain.guard_parts import Part, loosened
from charter.verification.explain.why import Why
from charter.verification.mutate.mutants import Refused, compiled, mutants
from charter.verification.prove.facts import Facts
from charter.verification.prove.machine import Machine, goals_of
from charter.verification.prove.pursue import Budget, Missed, pursue
from charter.verification.prove.started import needing_start
from charter.verification.workers import Failed, Limits, worked


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """Without the guard part, what the agent suggests here breaks the requirement: a shortest conversation of `of`."""

    agent: str
    requirement: str
    part: Part
    of: Program
    events: tuple[Event, ...]
    outcomes: tuple[Outcome, ...]


def misbehaviours(loaded: Loaded, why: Why, budget: Budget, limits: Limits) -> Iterator[Misbehaviour]:
    """The shortest for each agent and requirement, in the order of the policy."""
    agents = loosened(loaded).agents
    programs = {m.span: compiled(m, loaded.sources) for m in mutants(loaded) if m.kind == "guard"}
    needing: dict[Part, list[str]] = {}
    for each in why.rests:
        for part in each.on if isinstance(each.on, tuple) else ():
            if part in agents and part.span in programs:
                needing.setdefault(part, []).append(each.name)

    def work(part: Part) -> list[tuple[str, Missed]]:
        program = programs[part.span]
        return [] if isinstance(program, Refused) else list(_broken(program, needing[part], budget))

    shortest: dict[tuple[str, str], Misbehaviour] = {}
    for part, found in worked(tuple(needing), work, limits):
        program = programs[part.span]
        if isinstance(found, Failed) or isinstance(program, Refused):
            continue
        for name, missed in found:
            for agent in agents[part]:
                new = Misbehaviour(agent, name, part, program, missed.events, missed.outcomes)
                old = shortest.get((agent, name))
                if old is None or _size(new) < _size(old):
                    shortest[agent, name] = new
    order = [goal.name for goal in goals_of(loaded.program)]
    yield from sorted(shortest.values(), key=lambda each: (order.index(each.requirement), each.agent))


def _broken(program: Program, names: Sequence[str], budget: Budget) -> Iterator[tuple[str, Missed]]:
    encoder = Encoder(program)
    machine = Machine(encoder, goals_of(program), Facts(needing_start(encoder)))
    for name in names:
        found = pursue(machine, program, machine.goals[name], codes_of(program), budget)
        if isinstance(found, Missed):
            yield name, found


def _size(of: Misbehaviour) -> tuple[int, str, int]:
    return len(of.events), of.part.span.path, of.part.span.line
