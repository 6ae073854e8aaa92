"""A conversation from recorded events: what comes between them is filled in, and what must wait waits.

`step` knows one event at a time. Outside it, a conversation has an order: an event that opens a turn waits for the open
one to close; an ask that nobody answered fails as late when the customer goes on; an ask beyond its bound fails at
once; an answer that breaks an assumption is a failure. This module is that order, without a clock and without asking
anybody, so that recordings, tests and fuzzing all read a conversation the same way.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from charter.dsl.program import (
    OVER,
    TRANSFERRING,
    TURN_OPEN,
    ActKind,
    Event,
    EventKind,
    Opening,
    Program,
    State,
    Variable,
)
from charter.dsl.semantics import Outcome, step, trusted
from charter.dsl.types import Value

Execute: TypeAlias = Callable[[Program, State, Event], Outcome]

SILENCE = EventKind("silence")
HANGUP = EventKind("hangup")


@dataclass(frozen=True, slots=True)
class Step:
    """One event and what it did. `implied`: nobody recorded it; it follows from the order of a conversation."""

    event: Event
    outcome: Outcome
    implied: bool


@dataclass(frozen=True, slots=True)
class Session:
    """Where a conversation stands: its state, and the events that wait for the open turn to close."""

    state: State
    waiting: tuple[Event, ...] = ()


def begin(program: Program) -> Session:
    """A conversation before its start."""
    return Session(program.initial)


def feed(program: Program, session: Session, event: Event, execute: Execute = step) -> tuple[Session, tuple[Step, ...]]:
    """The conversation after one recorded event, and every step that it led to, in order, as `execute` decides them."""
    feeding = _Feeding(program, session, execute)
    feeding.take(event)
    return Session(feeding.state, tuple(feeding.waiting)), tuple(feeding.steps)


def failure(program: Program, name: str, reason: str, args: dict[str, Value], now: int) -> Event:
    """The failure of an ask or call; a call that writes and is late may have happened: it is uncertain."""
    if reason == "late" and name in program.tools and program.tools[name].writes:
        return Event(EventKind(f"{name} uncertain"), args, now)
    return Event(EventKind(f"{name} fails"), {**args, "reason": reason}, now)


def answering(program: Program, state: State, kind: EventKind, fields: Mapping[str, Value]) -> Mapping[str, Value]:
    """The fields of an answer, with the arguments of the first open call that it answers where they are left out."""
    tool = program.tools.get(kind.split(" ")[0])
    if tool is None:
        return fields
    calls = state[Variable(f"calls {tool.name}")] or state[Variable(f"uncertain {tool.name}")]
    call = calls[0] if isinstance(calls, tuple) and calls else ()
    values = call if isinstance(call, tuple) else ()
    args = {name: value for (name, _), value in zip(tool.args, values, strict=False)}
    return {**{name: None for name, _ in tool.args}, **args, **fields}


class _Feeding:
    """The state while one recorded event is worked through."""

    def __init__(self, program: Program, session: Session, execute: Execute) -> None:
        self._program = program
        self._execute = execute
        self.state = session.state
        self.waiting = list(session.waiting)
        self.steps: list[Step] = []
        self._transfer_answers = {f"escalated {q}" for q in program.queues} | {
            f"escalate {q} fails" for q in program.queues
        }
        self._agent_answers = {*program.agents, *(f"{a} fails" for a in program.agents)}

    def take(self, event: Event) -> None:
        """Takes a recorded event now, or lets it wait, and then whatever can come next."""
        if self._must_wait(event):
            self._late(event.now)
        if self._must_wait(event):
            if event.kind != SILENCE:
                self.waiting.append(event)
            return
        self._step(event, implied=False)
        self._go_on()

    def _must_wait(self, event: Event) -> bool:
        state, info = self.state, self._program.events[event.kind]
        if state[OVER] or event.kind == HANGUP:
            return False
        if state[TRANSFERRING]:  # only its answer is a step; asks are dropped with it, so their answers never wait
            return event.kind not in self._transfer_answers and event.kind not in self._agent_answers
        return bool(state[TURN_OPEN]) and info.opening is Opening.OPENS

    def _go_on(self) -> None:
        """Events that waited come, the first that can, until none can."""
        while (ready := next((e for e in self.waiting if not self._must_wait(e)), None)) is not None:
            self.waiting.remove(ready)
            self._step(ready, implied=True)

    def _late(self, now: int) -> None:
        """The customer goes on: what is still pending fails as late, until the turn closes or only a transfer is."""
        while self.state[TURN_OPEN] and not self.state[TRANSFERRING] and not self.state[OVER]:
            pending = next(self._pending(now), None)
            if pending is None:
                return
            self._step(pending, implied=True)

    def _pending(self, now: int) -> Iterator[Event]:
        for name in self._program.agents:
            if self.state[Variable(f"pending {name}")]:
                yield failure(self._program, name, "late", {}, now)
        for name, tool in self._program.tools.items():
            calls = self.state[Variable(f"calls {name}")]
            if isinstance(calls, tuple) and calls and isinstance(calls[0], tuple):
                args = {n: value for (n, _), value in zip(tool.args, calls[0], strict=True)}
                yield failure(self._program, name, "late", args, now)

    def _step(self, event: Event, implied: bool) -> None:
        if not trusted(self._program, self.state, event):
            tool = self._program.tools[event.kind]
            args = {name: event.fields[name] for name, _ in tool.args}
            event = failure(self._program, event.kind, "invalid", args, event.now)
        outcome = self._execute(self._program, self.state, event)
        self.state = outcome.state
        self.steps.append(Step(event, outcome, implied))
        for act in outcome.acts:
            if act.kind is ActKind.EXHAUSTED:
                self._step(failure(self._program, act.name, "exhausted", dict(act.args), event.now), implied=True)
