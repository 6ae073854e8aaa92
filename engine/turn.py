"""A turn: event → decision → one commit → acts leave → answers come back as events, until nothing is pending.

One `LiveConversation` serialises the events of one conversation. What it knows it can lose at any moment: everything
that matters is in the commit of each step, and whoever loads the conversation next goes on from there.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from charter.dsl.program import Act, ActKind, Event, EventKind, Opening, State, Variable
from charter.dsl.semantics import Outcome, possible
from charter.dsl.types import Value
from charter.engine.asks import Ask, Failed, Reason, Suggested
from charter.engine.clock import Clock
from charter.engine.decide import Decision
from charter.engine.flight import Flight
from charter.engine.line import Line, Place
from charter.engine.messages import turn_response
from charter.engine.record import Decided, Recorder, acts_in, record_of
from charter.engine.refused import OTHER_POLICY, Refused, Why
from charter.engine.snapshot import Snapshot, is_of, snapshot, stored_state
from charter.engine.store import (
    Answer,
    Commit,
    ConversationId,
    Digest,
    Lease,
    NewRequest,
    Owner,
    RequestId,
    Store,
)

LONGEST_SECONDS = 4.0
"""After this, whatever the caller would allow, what is pending of a request fails as late."""
LEASE_MS = 15_000
"""Longer than any turn works between two commits; a conversation that a crash left is free after it."""

SILENCE = EventKind("silence")
START = EventKind("start")
UTTERANCE = EventKind("utterance")


class Decider(Protocol):
    """Decides under one program."""

    def decide(self, state: State, event: Event) -> Decision:
        """What the event does to a conversation in this state."""


class Agents(Protocol):
    """Asks agents."""

    async def ask(self, ask: Ask) -> Suggested | Failed:
        """The answer, by `ask.until` at the latest; never an exception."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a turn works with."""

    recorder: Recorder
    decider: Decider
    agents: Agents
    store: Store
    clock: Clock
    owner: Owner


class LiveConversation:
    """One conversation that this process works on.

    INVARIANT: a step is decided and committed while `_steps` is held, one at a time. Whoever comes joins the line; an
    event that opens a turn waits for its front, and leaves it when nothing of its turn is pending.
    """

    def __init__(self, ports: Ports, conversation: ConversationId) -> None:
        self._ports = ports
        self._program = ports.recorder.program
        self._id = conversation
        self.line = Line()
        self._steps = asyncio.Condition()
        self._snapshot: Snapshot | None = None  # None: to be read from the store
        self._begun: dict[RequestId, Flight] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._utterance = ""

    async def take(self, flight: Flight, place: Place) -> Refused | None:
        """The event had its effect and `flight.response` is on record; or it is refused and nothing happened."""
        match self._program.events[flight.kind].opening:
            case Opening.OPENS if flight.kind == SILENCE:
                return await self._silence(flight, place)
            case Opening.OPENS:
                return await self._open(flight, place)
            case Opening.JOINS | Opening.ANSWERS:
                async with asyncio.TaskGroup() as tasks, self._steps:
                    return await self._load(tasks) or await self._begin(tasks, flight)

    async def go_on(self, place: Place) -> Refused | None:
        """A turn that a crash left open has gone on until it waits for nobody here."""
        await place.front()
        async with asyncio.TaskGroup() as tasks, self._steps:
            return await self._load(tasks)

    def forget(self) -> None:
        """What is known of the conversation is no longer trusted: the store is read again."""
        self._snapshot = None
        self._begun.clear()

    # --- how an event comes in ---------------------------------------------------------------------------------------

    async def _open(self, flight: Flight, place: Place) -> Refused | None:
        """The event opens a turn, once none is open."""
        try:
            async with asyncio.timeout_at(flight.until):
                await place.front()
        except TimeoutError:
            return Refused(Why.BUSY, "another event of the conversation is being worked on")
        async with asyncio.TaskGroup() as tasks, self._steps:
            return (
                await self._load(tasks)
                or await self._closed(flight)
                or await self._load(tasks)
                or await self._begin(tasks, flight)
            )

    async def _closed(self, flight: Flight) -> Refused | None:
        """No turn is open: a transfer that was pending has ended, what a crash left is mended."""
        try:
            async with asyncio.timeout_at(flight.until):
                await self._steps.wait_for(lambda: self._snapshot is None or not self._snapshot.open)
        except TimeoutError:
            return Refused(Why.TRANSFERRING, "the conversation waits for the end of a transfer")
        return None

    async def _silence(self, flight: Flight, place: Place) -> Refused | None:
        """Silence opens a turn where none is open; in an open one it is dropped."""
        async with asyncio.TaskGroup() as tasks, self._steps:
            if refused := await self._load(tasks):
                return refused
            if self._known.open:
                self._begun[flight.id] = flight
                event = Event(flight.kind, flight.fields, self._now())
                outcome = Outcome(self._known.state, dropped="a turn is open")
                await self._commit(flight, Decided(flight.id, event, Decision(outcome, None, 0, 0)))
                return None
        return await self._open(flight, place)

    async def _begin(self, tasks: asyncio.TaskGroup, flight: Flight) -> Refused | None:
        if refused := self._refusal(flight):
            return refused
        self._begun[flight.id] = flight
        if self._program.events[flight.kind].opening is Opening.OPENS:
            self._utterance = str(flight.fields["text"]) if flight.kind == UTTERANCE else ""
        await self._step(tasks, flight, flight.kind, flight.fields)
        return None

    def _refusal(self, flight: Flight) -> Refused | None:
        known = self._known
        if flight.kind == START and known.version:
            return Refused(Why.STARTED, "the conversation has started")
        if flight.kind != START and not known.version:
            return Refused(Why.NOT_STARTED, "the conversation has not started: `start` comes first")
        if known.over:
            return Refused(Why.OVER, "the conversation is over")
        if not possible(self._program, known.state, Event(flight.kind, flight.fields, self._now())):
            return Refused(Why.UNEXPECTED, f"`{flight.kind}` cannot come now")
        return None

    # --- what a crash left -------------------------------------------------------------------------------------------

    async def _load(self, tasks: asyncio.TaskGroup) -> Refused | None:
        """The conversation is known, and if nobody works on its open turn, its asks have failed."""
        if self._snapshot is not None:
            return None
        stored = await self._ports.store.load(self._id)
        if stored is None:
            self._snapshot = Snapshot(self._program.initial)
            return None
        if not is_of(self._program, stored):
            return OTHER_POLICY
        self._snapshot = snapshot(self._program, stored)
        if self._snapshot.working:
            await self._mend(tasks)
        return None

    async def _mend(self, tasks: asyncio.TaskGroup) -> None:
        """What was asked before the crash fails as error, in the name of the request that was being worked on."""
        records = await self._ports.store.records(self._id)
        request = records[-1].request_id
        if request is None:
            raise RuntimeError("the last record of an open turn names no request")
        acts = [act for record in records if record.request_id == request for act in acts_in(self._program, record)]
        until = asyncio.get_running_loop().time() + LONGEST_SECONDS
        flight = Flight(
            id=request, digest=Digest(""), kind=START, fields={}, until=until, recorded=True, acts=acts, pending=1
        )
        self._begun[request] = flight
        left = [name for name in self._program.agents for _ in range(pending(self._known.state, name))]
        for name in left:
            kind, fields = failure(name, Reason.ERROR)
            if possible(self._program, self._known.state, Event(kind, fields, self._now())):
                await self._step(tasks, flight, kind, fields)
        flight.pending -= 1  # it stood for those of before the crash

    # --- one step ----------------------------------------------------------------------------------------------------

    async def _step(
        self,
        tasks: asyncio.TaskGroup,
        flight: Flight,
        kind: EventKind,
        fields: Mapping[str, Value],
        answer: Suggested | Failed | None = None,
    ) -> None:
        """The event is decided and on record; what is asked is asked."""
        event = Event(kind, fields, self._now())
        decision = self._ports.decider.decide(self._known.state, event)
        acts = decision.outcome.acts
        flight.acts.extend(acts)
        flight.pending += sum(act.kind in (ActKind.ASK, ActKind.EXHAUSTED) for act in acts)
        await self._commit(flight, Decided(flight.id, event, decision, answer))
        await self._leave(tasks, flight, acts)

    async def _commit(self, flight: Flight, decided: Decided) -> None:
        """The step is durable, with the answers to all requests that it finishes; only then is it known here."""
        known, outcome, ports = self._known, decided.decision.outcome, self._ports
        after = Snapshot(outcome.state, decided.event.now, known.version + 1, known.sequence + 1)
        finished = [one for one in self._begun.values() if one.pending == 0 or not after.working]
        responses = {one.id: turn_response(self._program, after, self._id, one.id, one.acts) for one in finished}
        commit = Commit(
            conversation=self._id,
            expected_version=known.version,
            owner=ports.owner,
            now=decided.event.now,
            policy=self._program.name,
            policy_digest=Digest(self._program.digest),
            state=stored_state(self._program, after),
            open=after.working,
            over=after.over,
            lease=Lease(ports.owner, decided.event.now + LEASE_MS) if after.working else None,
            records=(record_of(ports.recorder, decided),),
            requests=() if flight.recorded else (NewRequest(flight.id, flight.digest),),
            answers=tuple(Answer(request, response) for request, response in responses.items()),
        )
        await ports.store.commit(commit)
        self._snapshot, flight.recorded = after, True
        for one in finished:
            one.response = responses[one.id]
            self._begun.pop(one.id, None)
        if not after.working:
            for task in self._asking:
                task.cancel()
        self._steps.notify_all()

    async def _leave(self, tasks: asyncio.TaskGroup, flight: Flight, acts: tuple[Act, ...]) -> None:
        """Every ask is on its way; those beyond their bound have failed, before anything else comes."""
        sequence = self._known.sequence
        for place, act in enumerate(acts):
            if act.kind is ActKind.ASK:
                agent = self._program.agents[act.name]
                ask = Ask(
                    id=f"{flight.id}.{sequence}.{place}",
                    chain=(agent, *(self._program.agents[name] for name in agent.chain)),
                    utterance=self._utterance,
                    language=self._known.language,
                    until=flight.until,
                )
                self._asking.add(tasks.create_task(self._answer(tasks, flight, ask)))
        for act in acts:
            if act.kind is ActKind.EXHAUSTED:
                flight.pending -= 1
                await self._step(tasks, flight, *failure(act.name, Reason.EXHAUSTED))

    async def _answer(self, tasks: asyncio.TaskGroup, flight: Flight, ask: Ask) -> None:
        task = asyncio.current_task()
        try:
            answer = await self._ports.agents.ask(ask)
            async with self._steps:
                self._asking.discard(task)  # from here on nothing cancels it
                if self._begun.get(flight.id) is not flight:
                    return  # the turn was given up
                flight.pending -= 1
                name = ask.chain[0].name
                if isinstance(answer, Suggested):
                    await self._step(tasks, flight, EventKind(name), answer.fields, answer)
                else:
                    await self._step(tasks, flight, *failure(name, answer.reason), answer)
        finally:
            self._asking.discard(task)

    @property
    def _known(self) -> Snapshot:
        if self._snapshot is None:
            raise RuntimeError("the conversation was forgotten")
        return self._snapshot

    def _now(self) -> int:
        return max(self._ports.clock.now(), self._known.now)


def failure(agent: str, reason: Reason) -> tuple[EventKind, Mapping[str, Value]]:
    """The event by which an agent fails."""
    return EventKind(f"{agent} fails"), {"reason": reason.value}


def pending(state: State, agent: str) -> int:
    """How many answers of an agent are awaited."""
    count = state[Variable(f"pending {agent}")]
    return count if isinstance(count, int) else 0
