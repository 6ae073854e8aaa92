"""A decision: every step computed twice, by the rule kernel and by the semantics, and taken only where both agree.

Where they differ in anything, or one of them fails, nothing that the rules wanted leaves: the safe stop hands the
conversation to a person. Only this module knows both executors.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from charter.dsl.program import (
    OVER,
    SAFE_STOPS,
    TRANSFERRING,
    Act,
    ActKind,
    Event,
    Program,
    State,
    Variable,
    escalating,
)
from charter.dsl.semantics import Broken, Outcome, possible, safe_stop, step
from charter.dsl.types import Value
from charter.engine.evaluator import Executed
from charter.engine.rule_kernel import KernelFault, RuleKernel, load


class IncidentKind(StrEnum):
    """Why the safe stop replaced what the rules wanted."""

    DISAGREEMENT = "disagreement"
    BROKEN_REQUIREMENT = "broken requirement"


@dataclass(frozen=True, slots=True)
class Incident:
    """A safe stop, for people to look into. `details` may hold values of the conversation, personal ones too."""

    kind: IncidentKind
    details: tuple[str, ...]


class Decision(NamedTuple):
    """What happens on an event. `kernel_seconds` and `semantics_seconds` are what each executor took."""

    outcome: Outcome
    incident: Incident | None
    kernel_seconds: float
    semantics_seconds: float


class Executor(Protocol):
    """The engine's own reading of a program."""

    def step(self, state: State, event: Event, /) -> Executed: ...


def decider(program: Program, *, within: float = 30.0) -> "Decider":
    """Decides by this program, once it has loaded in a process of its own; else raises `KernelFault`."""
    return Decider(program, load(program, within=within), lambda: RuleKernel(program))


class Decider:
    """A program and its kernel. For one thread at a time, as the kernel is."""

    __slots__ = ("_clock", "_kernel", "_program", "_rebuild")

    def __init__(
        self,
        program: Program,
        kernel: Executor,
        rebuild: Callable[[], Executor],
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._program = program
        self._kernel: Executor | None = kernel
        self._rebuild = rebuild
        self._clock = clock

    def decide(self, state: State, event: Event) -> Decision:
        """The outcome on which both executors agree, or the safe stop with the incident that tells why."""
        started = self._clock()
        executed = self._execute(state, event)
        between = self._clock()
        outcome = _meant(self._program, state, event)
        ended = self._clock()
        incident = _incident(executed, outcome)
        if isinstance(outcome, Failed) or (incident is not None and incident.kind is IncidentKind.DISAGREEMENT):
            outcome = self._safe_stop(state, event)
        return Decision(outcome, incident, between - started, ended - between)

    def _execute(self, state: State, event: Event) -> "Executed | Failed":
        try:
            if self._kernel is None:
                self._kernel = self._rebuild()
            return self._kernel.step(state, event)
        except KernelFault as fault:
            self._kernel = None
            return Failed(str(fault))
        except Exception as error:  # whatever fails here must hand over to a person, not fail the conversation
            return Failed(f"{type(error).__name__}: {error}")

    def _safe_stop(self, state: State, event: Event) -> Outcome:
        """The safe stop as the semantics computes it where no rule speaks; by hand where it cannot."""
        try:
            if possible(self._program, state, event):
                return safe_stop(self._program, state, event, (_NO_AGREEMENT,))
        except Exception:  # the incident already tells what failed; a person must be reached all the same
            return _stopped_by_hand(self._program, state)
        return _stopped_by_hand(self._program, state)


@dataclass(frozen=True, slots=True)
class Failed:
    """An executor that gave no answer, and why."""

    reason: str


_NO_AGREEMENT = Broken("agreement", "the two executors of the policy differ")


def _meant(program: Program, state: State, event: Event) -> Outcome | Failed:
    try:
        return step(program, state, event)
    except Exception as error:  # whatever fails here must hand over to a person, not fail the conversation
        return Failed(f"{type(error).__name__}: {error}")


def _incident(executed: Executed | Failed, outcome: Outcome | Failed) -> Incident | None:
    if isinstance(executed, Failed) or isinstance(outcome, Failed):
        failures = tuple(
            f"the {name} failed: {answer.reason}"
            for name, answer in (("kernel", executed), ("semantics", outcome))
            if isinstance(answer, Failed)
        )
        return Incident(IncidentKind.DISAGREEMENT, failures)
    differences = _differences(executed, outcome)
    if differences:
        return Incident(IncidentKind.DISAGREEMENT, tuple(differences))
    if outcome.broken:
        details = tuple(f"{broken.requirement}: {broken.detail}" for broken in outcome.broken)
        return Incident(IncidentKind.BROKEN_REQUIREMENT, details)
    return None


def _differences(executed: Executed, outcome: Outcome) -> list[str]:
    """What differs, and how each side has it. Nothing if the executors agree."""
    state, acts, fired, overridden, broken, dropped, _ = outcome
    same = state, acts, fired, overridden, tuple([each.requirement for each in broken]), dropped is not None
    if executed == same:
        return []
    found, meant = [], Executed(*same)
    for what in ("dropped", "fired", "overridden", "broken", "acts"):
        ours, theirs = getattr(executed, what), getattr(meant, what)
        if ours != theirs:
            found.append(_differing(what, ours, theirs))
    for variable in {**meant.state, **executed.state}:
        ours, theirs = executed.state.get(variable, _ABSENT), meant.state.get(variable, _ABSENT)
        if ours != theirs:
            found.append(_differing(f"`{variable}`", ours, theirs))
    return found


_ABSENT = "(absent)"


def _differing(what: str, kernel: object, semantics: object) -> str:
    return f"{what}: the kernel has {kernel!r}, the semantics {semantics!r}"


# --- the safe stop ---------------------------------------------------------------------------------------------------


def _stopped_by_hand(program: Program, state: State) -> Outcome:
    """The least that a safe stop does: the event leaves no trace, the stop is counted, and the way out is open.

    What the bookkeeping watches of an escalation or an end is set here directly: that it is pending, or that the
    conversation is over. A conversation that is over stays as it is.
    """
    if state[OVER]:
        return Outcome(state, broken=(_NO_AGREEMENT,), old=state)
    changes: dict[Variable, Value]
    if state[SAFE_STOPS]:
        act = Act(ActKind.END, "", (), ("safe stop",))
        changes = {SAFE_STOPS: 2, OVER: True}
    else:
        act = Act(ActKind.ESCALATE, program.fallback, (), ("safe stop",))
        changes = {SAFE_STOPS: 1}
        changes |= {name: True for name in (TRANSFERRING, escalating(program.fallback)) if name in program.variables}
    return Outcome({**state, **changes}, (act,), broken=(_NO_AGREEMENT,), old=state)
