"""A move of a fuzzed conversation: an event goes to the executors, and what must not come of it is a finding."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from charter.dsl.program import Event, Program, State
from charter.dsl.semantics import Broken, Outcome, step
from charter.dsl.session import Session, Step, begin, feed


@dataclass(frozen=True, slots=True)
class Decided:
    """What an event does, and what the executors say differently of it."""

    outcome: Outcome
    differences: tuple[str, ...] = ()


Decide: TypeAlias = Callable[[State, Event], Decided]
Executors: TypeAlias = Callable[[Program], Decide]  # of a program: whatever is to decide its steps alike


class Fault(StrEnum):
    """What kind of thing was found."""

    BROKEN = "broken requirement"
    STOPPED = "safe stop"
    DIFFERENCE = "difference between executors"
    MISREAD = "difference from the reader"
    FAILED = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not happen. Two of one fault and name are the same thing found twice."""

    fault: Fault
    name: str  # the requirement, the check of every policy, or what differs or failed
    detail: str

    @property
    def key(self) -> tuple[Fault, str]:
        """What makes two findings the same."""
        return self.fault, self.name


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversation stands, and the recorded events that led there. `mark`: tells states apart."""

    session: Session
    events: tuple[Event, ...] = ()
    mark: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """What came of an event: every step, and the findings in the last of them."""

    place: Place
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]


def semantics_alone(program: Program) -> Decide:
    """One executor: the meaning of the program, by itself."""
    return lambda state, event: Decided(step(program, state, event))


def beginning(program: Program) -> Place:
    """A conversation before its start."""
    return Place(begin(program))


def play(program: Program, place: Place, event: Event, decide: Decide) -> Move:
    """The conversation with one more event."""
    differences: list[str] = []

    def execute(_: Program, state: State, event: Event) -> Outcome:
        decided = decide(state, event)
        differences.extend(decided.differences)
        return decided.outcome

    events = (*place.events, event)
    try:
        session, steps = feed(program, place.session, event, execute)
    except Exception as error:  # whatever raises on an event that may come is a mistake of ours, and what is looked for
        failed = Finding(Fault.FAILED, type(error).__name__, f"on `{event.kind}`: {error}")
        return Move(Place(place.session, events), (), (failed,))
    findings = [Finding(Fault.DIFFERENCE, text.split(":")[0], f"on `{event.kind}`: {text}") for text in differences]
    requirements = {requirement.name for requirement in program.requirements}
    findings += [_finding(broken, requirements) for each in steps for broken in each.outcome.broken]
    unlike = {finding.key: finding for finding in findings}
    return Move(Place(session, events), steps, tuple(unlike.values()))


def played(program: Program, events: tuple[Event, ...], decide: Decide) -> tuple[Move, ...]:
    """A conversation from its beginning, up to the first finding."""
    moves: list[Move] = []
    place = beginning(program)
    for event in events:
        moves.append(play(program, place, event, decide))
        place = moves[-1].place
        if moves[-1].findings:
            break
    return tuple(moves)


def _finding(broken: Broken, requirements: set[str]) -> Finding:
    fault = Fault.BROKEN if broken.requirement in requirements else Fault.STOPPED
    return Finding(fault, broken.requirement, broken.detail)
