"""What was found of a goal before, as a hint: never believed, always checked again, which needs no search.

An invariant that still begins, goes on and keeps the goal from being missed is a proof, wherever it comes from. A
conversation that still breaks the goal is a counterexample, and a shortest one if the picture has no shorter path.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from charter.dsl.program import ActKind, Event, Program
from charter.dsl.semantics import Outcome, trusted
from charter.dsl.session import failure
from charter.verification.encode.smt import Codes, sort_of, value
from charter.verification.encode.terms import Term
from charter.verification.prove.conversation import Replayed, replayed
from charter.verification.prove.machine import Goal, Machine
from charter.verification.prove.paths import Exhausted, shortest
from charter.verification.prove.pictures import Picture, pictured
from charter.verification.prove.pursue import Holds, Missed, Pursued, Undecided
from charter.verification.prove.solver import Cases, Unsat, condition
from charter.verification.prove.unroll import Unrolled, at


@dataclass(frozen=True, slots=True)
class Conversation:
    """Events that broke the goal, and the columns through which no shorter way was seen."""

    events: tuple[Event, ...]
    kept: tuple[str, ...]
    without: tuple[str, ...]


Hint: TypeAlias = Holds | Conversation


def hint_of(found: Pursued) -> Hint | None:
    """What to remember of what was found."""
    match found:
        case Holds():
            return found
        case Missed(events, _, kept, without):
            return Conversation(events, kept, without)
        case Undecided():
            return None


def confirmed(
    machine: Machine, program: Program, goal: Goal, codes: Codes, budget: int, hint: Hint, *, shortest: bool
) -> Pursued | None:
    """The hint as a finding of this program, or None where it is none. `shortest`: no shorter one will do."""
    columns = _columns(machine, hint.kept)
    if columns is None or not set(hint.without) <= set(machine.goals):
        return None
    match hint:
        case Holds(invariant):
            kept = columns or machine.begins_with(goal)
            for exact in (False, True):  # as it may have been found
                picture = pictured(machine, goal, kept, hint.without, exact=exact)
                if not picture.misses if not columns else _inductive(machine, picture, invariant, codes, budget):
                    return hint
            return None
        case Conversation(events):
            match replayed(program, events, goal.name):
                case Replayed(played, outcomes) if played == events and in_order(program, events, outcomes):
                    if shortest and not _is_shortest(machine, goal, columns, hint, codes, budget):
                        return None
                    return Missed(events, outcomes, hint.kept, hint.without)
            return None


def in_order(program: Program, events: Sequence[Event], outcomes: Sequence[Outcome]) -> bool:
    """Whether events come as they can: time goes on, results are trusted, what is exhausted fails at once."""
    due: list[Event] = []
    state, now = program.initial, events[0].now
    for event, outcome in zip(events, outcomes, strict=True):
        if event.now < now or not trusted(program, state, event):
            return False
        if due and (event.kind, event.fields) != (due[0].kind, due[0].fields):
            return False
        spent = (act for act in outcome.acts if act.kind is ActKind.EXHAUSTED)
        due = [*(failure(program, a.name, "exhausted", dict(a.args), event.now) for a in spent), *due[1:]]
        state, now = outcome.state, event.now
    return True


def _columns(machine: Machine, names: Sequence[str]) -> tuple[Term, ...] | None:
    return tuple(machine.named[name] for name in names) if set(names) <= machine.named.keys() else None


def _is_shortest(
    machine: Machine, goal: Goal, kept: tuple[Term, ...], hint: Conversation, codes: Codes, budget: int
) -> bool:
    length = len(hint.events)
    picture = pictured(machine, goal, kept, hint.without)
    return length == 1 or isinstance(
        shortest(machine, picture, codes, least=1, most=length - 1, budget=budget), Exhausted
    )


def _inductive(machine: Machine, picture: Picture, invariant: str, codes: Codes, budget: int) -> bool:
    """Whether the invariant holds at first, is kept by every step, and keeps the goal from being missed."""
    graph, kept = machine.graph, picture.kept
    sorts = {f"k{i}": sort_of(graph.sort[column]) for i, column in enumerate(kept)}
    said = condition(invariant, sorts)
    if said is None:
        return False
    script = Unrolled(machine, codes, {})
    now = script.place(0, [machine.always(kept), *kept, *(c.goes for c in picture.misses)])
    script.step(0, picture.steps, kept)
    script.one_of("end", "b", [now(c.goes) for c in picture.misses])
    script.require("always", now(machine.always(kept)))
    text = f"(define-fun inv ({' '.join(f'({n} {s})' for n, s in sorts.items())}) Bool {said})"
    places = [f"(inv {' '.join(at(graph, column, i) for column in kept)})" for i in (0, 1)]
    begins = f"(inv {' '.join(_initial(machine, column, codes) for column in kept)})"
    script.require("begins", f"(not {begins})")
    script.require("here", places[0])
    script.require("there", f"(not {places[1]})")
    cases = Cases(f"{text}\n{script.taken()}", budget)
    asked = (["begins"], ["always", "here", "go0", "there"], ["always", "here", "end"])
    return all(isinstance(cases.ask(each, {}), Unsat) for each in asked)


def _initial(machine: Machine, column: Term, codes: Codes) -> str:
    data = machine.graph.data[machine.initial(column)]
    assert isinstance(data, bool | int | str)
    return value(data, codes)
