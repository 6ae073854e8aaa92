"""A turn: event → decision → one commit → acts leave → answers come back as events, until nothing is pending.

One `LiveConversation` serialises the events of one conversation. What it knows it can lose at any moment: everything
that matters is in the commit of each step, and whoever loads the conversation next goes on from there.
"""

import asyncio
import contextlib
from collections.abc import Mapping

from charter.dsl.program import Event, EventKind, Opening
from charter.dsl.semantics import Outcome, trusted
from charter.dsl.session import failure
from charter.dsl.types import Value
from charter.engine.asks import Failed, Reason, Suggested
from charter.engine.calls import Called
from charter.engine.decide import Decision
from charter.engine.errands import Errand, Errands, Waits
from charter.engine.flight import Flight, Shown
from charter.engine.line import Line, Place
from charter.engine.order import SILENCE, START, doubted, must_wait, unfit, waited_in_vain
from charter.engine.ports import LONGEST_SECONDS, Ports, Surroundings, Told
from charter.engine.recall import Recalled, recall
from charter.engine.refused import Refused, Why
from charter.engine.snapshot import Snapshot
from charter.engine.step import Plan, Step, answer_commit, renewal, step_commit
from charter.engine.store import ConversationId, Digest, IdempotencyKey, RequestId
from charter.engine.work import Work

GRACE_SECONDS = 1.0
"""How long after a request's time the failures of what it asked of agents may take."""
POLL_SECONDS = 0.1
"""How often the store is read again for what other servers did to a conversation that is waited for."""


class LiveConversation:
    """One conversation that this process works on.

    INVARIANT: a step is decided and committed while `_steps` is held, one at a time. Whoever comes joins the line; an
    event that opens a turn waits for its front and until no turn is open.
    """

    def __init__(self, ports: Ports, surroundings: Surroundings, conversation: ConversationId) -> None:
        self._ports = ports
        self._program = ports.recorder.program
        self._around = surroundings
        self._id = conversation
        self.line = Line()
        self._steps = asyncio.Condition()
        self._snapshot: Snapshot | None = None  # None: to be read from the store
        self._unread = True
        self._flights: dict[RequestId, Flight] = {}  # on record, and not answered
        self._untold: tuple[Shown, ...] = ()
        self._work = Work(ports, self._arrive, self._give_up)

    @property
    def idle(self) -> bool:
        """Nothing is under way: it may be forgotten altogether."""
        return not self._flights and not self._work.under_way

    async def take(self, flight: Flight, place: Place) -> Refused | None:
        """The event had its effect and `flight.response` is on record; or it is refused and nothing happened."""
        opening = self._program.events[flight.kind].opening
        if opening is Opening.OPENS and flight.kind != SILENCE and (refused := await self._front(flight, place)):
            return refused
        async with self._steps:
            if refused := await self._come(flight):
                return refused
        return await self._landed(flight)

    async def go_on(self) -> Refused | None:
        """What a crash left of the conversation is being worked on."""
        async with self._steps:
            return await self._load()

    async def settled(self) -> None:
        """Nothing that was asked or called is waited for."""
        await self._work.done()

    async def join(self, request: RequestId) -> bool:
        """Whether a request that is on record is worked on here; if so, it was until it had its answer."""
        async with self._steps:
            if await self._load() is not None or (flight := self._flights.get(request)) is None:
                self.doubt()
                return False
        await self._landed(flight)
        return True

    async def ring(self, key: IdempotencyKey, place: Place) -> Refused | None:
        """The errand of this key is due: it has had its effect, or is no longer waited for."""
        async with self._steps:
            self.doubt()
            if refused := await self._load():
                return refused
            errand = self._known.errands.get(key)
            if errand is None:
                return None
            if errand.waits is Waits.TRANSFER:
                fields: Mapping[str, Value] = {"reason": Reason.LATE.value}
                await self._step(EventKind(f"escalate {errand.name} fails"), fields, errand=errand)
                return None
        await place.front()
        kind = EventKind(f"timer {errand.name}")
        async with self._steps:
            while (refused := await self._load()) is None and key in self._known.errands:
                if not must_wait(self._program, self._known, kind):
                    await self._step(kind, {}, errand=errand)
                    return None
                await self._steps.wait()
            return refused

    def doubt(self) -> None:
        """What is known here may be older than the store, unless it is held by this server."""
        if self._snapshot is not None and not self._snapshot.held:
            self.forget()

    def forget(self) -> None:
        """What is known of the conversation is no longer trusted: the store is read again."""
        self._snapshot, self._unread = None, False

    def close(self) -> None:
        """Nothing is worked on any more; what was under way is as after a crash."""
        self._work.close()

    # --- how an event comes in ---------------------------------------------------------------------------------------

    async def _front(self, flight: Flight, place: Place) -> Refused | None:
        try:
            async with asyncio.timeout_at(flight.until):
                await place.front()
        except TimeoutError:
            return Refused(Why.BUSY, "another event of the conversation is being worked on")
        return None

    async def _come(self, flight: Flight) -> Refused | None:
        """The event is decided and on record, once it can come."""
        if self._unread and flight.kind == START and self._snapshot is None:
            self._snapshot = Snapshot(self._program.initial)  # if it is not new, the commit is refused
        fresh = self._snapshot is None
        while True:
            if refused := await self._load():
                return refused
            if must_wait(self._program, self._known, flight.kind):
                if flight.kind == SILENCE:
                    await self._drop(flight, "a turn is open")
                    return None
                if refused := await self._changed(flight):
                    return refused
            elif refused := unfit(self._program, self._known, flight, self._now()):
                if fresh or self._known.held:
                    return refused
                self.doubt()
            else:
                await self._step(flight.kind, flight.fields, flight=flight, errand=doubted(self._known, flight))
                return None
            fresh = self._snapshot is None

    async def _changed(self, flight: Flight) -> Refused | None:
        """The conversation may have moved on, here or elsewhere."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(flight.until, loop.time() + POLL_SECONDS)):
                await self._steps.wait()
        except TimeoutError:
            if loop.time() >= flight.until:
                return waited_in_vain(self._snapshot)
        self.doubt()
        return None

    async def _drop(self, flight: Flight, why: str) -> None:
        event = Event(flight.kind, flight.fields, self._now())
        decision = Decision(Outcome(self._known.state, dropped=why), None, 0, 0)
        await self._commit(Step(event=event, decision=decision, flight=flight))

    async def _landed(self, flight: Flight) -> Refused | None:
        """The request has its answer: when nothing is pending, or when its time has come and only calls are open."""
        try:
            async with asyncio.timeout_at(flight.until):
                await flight.landed.wait()
        except TimeoutError:
            await self._answer_open(flight)
        return flight.failed

    async def _answer_open(self, flight: Flight) -> None:
        async with self._steps:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE_SECONDS):  # what was asked of agents fails as late by itself
                    await self._steps.wait_for(lambda: flight.landed.is_set() or not self._asks(flight))
            if await self._load() is None and not flight.landed.is_set():
                await self._write(
                    answer_commit(self._ports, self._id, self._known, flight, self._untold, self._now()), flight
                )

    def _asks(self, flight: Flight) -> bool:
        errands: Errands = self._snapshot.errands if self._snapshot else {}
        return any(one.request == flight.id and one.waits is Waits.ASK for one in errands.values())

    # --- what is in the store ----------------------------------------------------------------------------------------

    async def _load(self) -> Refused | None:
        """The conversation is known and everything that is left to do is under way, if no other server works on it."""
        if self._snapshot is not None:
            return None
        self._unread = False
        recalled = await recall(self._ports, self._id)
        if isinstance(recalled, Refused):
            return recalled
        self._remember(recalled)
        await self._adopt(recalled.known)
        return None

    def _remember(self, recalled: Recalled) -> None:
        """The requests that wait for an answer are known with their acts, and the acts that no answer had."""
        for request in self._flights.keys() - recalled.acts.keys():
            self._flights.pop(request).answer(None)  # the store has it
        until = asyncio.get_running_loop().time() + LONGEST_SECONDS
        for request, acts in recalled.acts.items():
            if request not in self._flights:
                self._flights[request] = Flight(
                    id=request, digest=Digest(""), kind=START, fields={}, until=until, recorded=True
                )
            self._flights[request].acts = acts
        self._snapshot, self._untold = recalled.known, recalled.untold

    async def _adopt(self, known: Snapshot) -> None:
        """What nobody works on any more goes on: a question has failed, a call is made again or is uncertain."""
        self._work.keep(known.errands)
        for errand in known.errands.values():
            if errand.waits is Waits.EXHAUSTED:
                await self._exhausted(errand)
        for errand in self._known.errands.values():
            if errand.rings:
                self._around.alarm(self._id, errand)
            elif errand.holds and not self._work.has(errand):
                tool = self._program.tools.get(errand.name) if errand.waits is Waits.CALL else None
                if tool is not None and tool.idempotent:
                    await self._write(renewal(self._ports, self._id, self._known, errand, self._now()))
                    self._work.call(self._id, self._known.errands[errand.key], self._known.language)
                else:
                    self._work.fail(errand)

    # --- one step ----------------------------------------------------------------------------------------------------

    async def _arrive(
        self, errand: Errand, kind: EventKind, fields: Mapping[str, Value], answer: Suggested | Failed | Called | None
    ) -> None:
        """The answer to an errand is decided, once it can come; if nobody waits for it any more, nothing happens."""
        async with self._steps:
            while await self._load() is None:
                waiting = self._known.errands.get(errand.key)
                if waiting is None:
                    return
                if errand.waits is Waits.ASK or not must_wait(self._program, self._known, kind):
                    await self._step(kind, fields, errand=waiting, answer=answer)
                    return
                await self._steps.wait()

    async def _step(
        self,
        kind: EventKind,
        fields: Mapping[str, Value],
        *,
        flight: Flight | None = None,
        errand: Errand | None = None,
        answer: Suggested | Failed | Called | None = None,
    ) -> None:
        """The event is decided and on record; what is asked and called is under way."""
        state, event = self._known.state, Event(kind, fields, self._now())
        if not trusted(self._program, state, event):
            args = {name: fields[name] for name, _ in self._program.tools[kind].args}
            event = failure(self._program, kind, Reason.INVALID.value, args, event.now)
        decision = self._ports.decider.decide(state, event)
        await self._commit(Step(event=event, decision=decision, flight=flight, errand=errand, answer=answer))

    async def _commit(self, step: Step) -> None:
        plan = step_commit(self._ports, self._id, self._known, self._flights, self._untold, step)
        await self._write(plan, step.flight)
        told = Told(
            plan.after.sequence, step.request, plan.shown, plan.after.language, plan.after.open, plan.after.over
        )
        self._around.tell(self._id, told)
        for errand in plan.change.begun:
            until = self._flights[errand.request].until if errand.request in self._flights else None
            match errand.waits:
                case Waits.ASK:
                    self._work.ask(errand, plan.after, until)
                case Waits.CALL:
                    self._work.call(self._id, errand, plan.after.language)
                case Waits.TIMER | Waits.TRANSFER:
                    self._around.alarm(self._id, errand)
                case Waits.EXHAUSTED | Waits.DOUBT:
                    pass
        for errand in plan.change.begun:
            if errand.waits is Waits.EXHAUSTED:
                await self._exhausted(errand)

    async def _exhausted(self, errand: Errand) -> None:
        event = failure(self._program, errand.name, Reason.EXHAUSTED.value, dict(errand.args), 0)
        await self._step(event.kind, event.fields, errand=errand)

    async def _write(self, plan: Plan, flight: Flight | None = None) -> None:
        """The plan is durable; only then is it known here, and to those who wait."""
        known = self._known
        self._snapshot = None  # where the commit fails, the store is asked what is true
        await self._ports.store.commit(plan.commit)
        self._snapshot, self._untold = plan.after, plan.untold
        if flight is not None:
            flight.recorded = True
            self._flights[flight.id] = flight
        for request, acts in plan.acts.items():
            self._flights[request].acts = acts
        for request, response in plan.responses.items():
            self._flights.pop(request).answer(response)
        for errand in plan.change.done:
            self._around.calm(errand.key)
        if known.errands is not plan.after.errands:
            self._work.keep(plan.after.errands)
        self._steps.notify_all()

    def _give_up(self, why: Refused) -> None:
        """What is under way cannot go on here: whoever waits is told."""
        self._snapshot = None
        for flight in self._flights.values():
            flight.give_up(why)
        self._flights.clear()

    @property
    def _known(self) -> Snapshot:
        if self._snapshot is None:
            raise RuntimeError("the conversation was forgotten")
        return self._snapshot

    def _now(self) -> int:
        return max(self._ports.clock.now(), self._known.now)
