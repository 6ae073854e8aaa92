"""Plays the `test` blocks of a policy against its meaning."""

from dataclasses import dataclass, field
from typing import assert_never

from charter.dsl.acts import spelled_act
from charter.dsl.evaluate import constant
from charter.dsl.program import Act, ActKind, Event, EventKind, Program
from charter.dsl.scenarios import (
    Attempts,
    Expected,
    ExpectedBroken,
    ExpectedState,
    Given,
    Happens,
    Move,
    Scenario,
    Waits,
)
from charter.dsl.semantics import Outcome, attempt
from charter.dsl.session import Session, Step, answering, begin, feed
from charter.dsl.source import Span

EPOCH = 1_767_225_600_000  # 2026-01-01T00:00:00Z: when tests begin
PACE = 1000  # ms between two events of a test


@dataclass(frozen=True, slots=True)
class Failure:
    """Where a test did not go as expected, and how."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A test that was played: every step, and what failed."""

    scenario: Scenario
    steps: tuple[Step, ...]
    failures: tuple[Failure, ...]


def rehearse(program: Program, scenario: Scenario) -> Rehearsed:
    """Plays a test to its end, also past a failure."""
    playing = _Playing(program)
    for move in scenario.moves:
        playing.move(move)
    playing.close_group()
    return Rehearsed(scenario, tuple(playing.steps), tuple(playing.failures))


@dataclass(slots=True)
class _Group:
    """What happened since the last group of expectations."""

    acts: list[Act] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    stopped: list[tuple[Span, Outcome]] = field(default_factory=list)
    judged: bool = False


class _Playing:
    """A test under way."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._session: Session = begin(program)
        self._now = EPOCH
        self._timers: dict[str, int] = {}
        self._group = _Group()
        self.steps: list[Step] = []
        self.failures: list[Failure] = []

    def move(self, move: Move) -> None:
        """Plays one step of the test."""
        if isinstance(move, Expected | ExpectedState | ExpectedBroken):
            self._group.judged = True
        elif self._group.judged:
            self.close_group()
        match move:
            case Given(variable, value):
                self._session = Session({**self._session.state, variable: value}, self._session.waiting)
            case Happens(kind, fields, span):
                self._happens(Event(kind, answering(self._program, self._session.state, kind, fields), self._now), span)
            case Waits(duration):
                self._wait(duration)
            case Attempts(act):
                self._group.broken |= {
                    b.requirement for b in attempt(self._program, self._session.state, act, self._now)
                }
            case Expected():
                self._expect(move)
            case ExpectedState(cond, span):
                if constant(cond, self._session.state) is not True:
                    self.failures.append(Failure(span, "this does not hold"))
            case ExpectedBroken(requirement, span):
                self._expect_broken(requirement, span)
            case _:
                assert_never(move)

    def close_group(self) -> None:
        """An incident that no expectation named is a failure."""
        for span, outcome in self._group.stopped:
            reasons = "; ".join(f"`{b.requirement}`: {b.detail}" for b in outcome.broken)
            self.failures.append(Failure(span, f"the safe stop: {reasons}"))
        self._group = _Group()

    def _happens(self, event: Event, span: Span) -> None:
        self._now += PACE
        self._session, steps = feed(self._program, self._session, event)
        for step in steps:
            self.steps.append(step)
            self._group.acts += step.outcome.acts
            self._group.broken |= {b.requirement for b in step.outcome.broken}
            if step.outcome.broken:
                self._group.stopped.append((span, step.outcome))
            if step.outcome.dropped and not step.implied:
                self.failures.append(Failure(span, step.outcome.dropped))
            for act in step.outcome.acts:
                duration = dict(act.args).get("duration")
                if act.kind is ActKind.TIMER and isinstance(duration, int):
                    self._timers[act.name] = event.now + duration

    def _wait(self, duration: int) -> None:
        until = self._now + duration
        while due := sorted((at, name) for name, at in self._timers.items() if at <= until):
            at, name = due[0]
            del self._timers[name]
            self._now = max(self._now, at)
            self._happens(Event(EventKind(f"timer {name}"), {}, self._now), Span("", 1, 1, 1, 1))
        self._now = max(self._now, until)

    def _expect(self, expected: Expected) -> None:
        found = any(
            act.kind is expected.kind
            and act.name in expected.names
            and all(dict(act.args).get(name) == value for name, value in expected.args.items())
            for act in self._group.acts
        )
        if found == expected.no:
            did = ", ".join(f"`{spelled_act(self._program, act)}`" for act in self._group.acts) or "nothing"
            what = "was not to be done" if expected.no else "was not done"
            self.failures.append(Failure(expected.span, f"`{expected.written}` {what}; the acts were {did}"))

    def _expect_broken(self, requirement: str, span: Span) -> None:
        if requirement not in self._group.broken:
            self.failures.append(Failure(span, f"`{requirement}` was not broken"))
        self._group.stopped = [
            (at, outcome)
            for at, outcome in self._group.stopped
            if requirement not in {b.requirement for b in outcome.broken}
        ]
