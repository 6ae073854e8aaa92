"""A turn: event → decision → one commit → acts leave → answers come back as events, until nothing is pending.

Answers that come together are decided one after the other and committed at once.

One `LiveConversation` serialises the events of one conversation. What it knows it can lose at any moment: everything
that matters is in the commit of each step, and whoever loads the conversation next goes on from there.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

from charter.dsl.program import Event, EventKind, Opening
from charter.dsl.semantics import Outcome
from charter.dsl.types import Value
from charter.engine.conversation.asks import Reason
from charter.engine.conversation.errands import Errand, Errands, Waits
from charter.engine.conversation.flight import Flight, Flights
from charter.engine.conversation.line import Line, Place
from charter.engine.conversation.order import SILENCE, START, doubted, must_wait, unfit, waited_in_vain
from charter.engine.conversation.ports import Ports, Surroundings
from charter.engine.conversation.recall import recall
from charter.engine.conversation.refused import ELSEWHERE, Refused, Why
from charter.engine.conversation.snapshot import Snapshot
from charter.engine.conversation.step import (
    Plan,
    Step,
    commit_of,
    no_step,
    with_answer,
    with_event,
    with_renewal,
    with_step,
)
from charter.engine.conversation.work import Arrival, Work
from charter.engine.decide import Decision
from charter.engine.store import ConversationId, IdempotencyKey, RequestId

GRACE_SECONDS = 1.0
"""How long after a request's time the failures of what it asked of agents may take."""
POLL_SECONDS = 0.1
"""How often the store is read again for what other servers did to a conversation that is waited for."""
TOGETHER_SECONDS = 0.05
"""How long an answer waits at most for others that were asked for too; and no longer than the last commit took, since
that is about what one commit for both saves."""


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
        self._flights = Flights()
        self._took = 0.0  # seconds, the last commit
        self._arrived: dict[IdempotencyKey, Arrival] = {}  # answers that are not decided
        self._work = Work(ports)

    @property
    def idle(self) -> bool:
        """Nothing is under way: it may be forgotten altogether."""
        return not self._flights.under_way and not self._work.under_way

    async def take(self, flight: Flight, place: Place) -> Refused | None:
        """The event had its effect and `flight.response` is on record; or it is refused and nothing happened."""
        opening = self._program.events[flight.kind].opening
        comes_in_line = opening is Opening.OPENS and flight.kind != SILENCE
        if comes_in_line and not place.first and (refused := await self._front(flight, place)):
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

    async def join(self, request: RequestId) -> Refused | None:
        """A request that is on record has its answer, if it is worked on here; else why not."""
        async with self._steps:
            refused = await self._load()
            if refused is not None or (flight := self._flights.under_way.get(request)) is None:
                self.doubt()
                return refused or ELSEWHERE
        return await self._landed(flight)

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
                failed = EventKind(f"escalate {errand.name} fails")
                await self._step(failed, {"reason": Reason.LATE.value}, errand=errand)
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

    async def arrive(self, arrival: Arrival) -> None:
        """The answer to an errand is decided, once it can come; if nobody waits for it any more, nothing happens."""
        key = arrival.errand.key
        self._arrived[key] = arrival
        try:
            if arrival.errand.waits is Waits.ASK and self._others_asked():
                await asyncio.sleep(min(TOGETHER_SECONDS, self._took))  # the last to come takes along those before it
            async with self._steps:
                while key in self._arrived and await self._load() is None:
                    if not await self._take_arrived(arrival):
                        await self._steps.wait()
        finally:
            self._arrived.pop(key, None)

    def give_up(self, why: Refused) -> None:
        """What is under way cannot go on here: whoever waits is told."""
        self._snapshot = None
        self._flights.give_up(why)

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
        plan = self._plan()
        event = Event(flight.kind, flight.fields, plan.after.now)
        decision = Decision(Outcome(plan.after.state, dropped=why), None, 0, 0)
        await self._write(with_step(self._ports, plan, Step(event=event, decision=decision, flight=flight)), flight)

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
                await self._write(with_answer(self._ports, self._plan(), flight), flight)

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
        until = asyncio.get_running_loop().time() + self._ports.limits.turn_seconds
        self._flights.remember(recalled.acts, recalled.untold, until=until)
        self._snapshot = recalled.known
        await self._adopt(recalled.known)
        return None

    async def _adopt(self, known: Snapshot) -> None:
        """What nobody works on any more goes on: a question has failed, a call is made again or is uncertain."""
        self._work.keep(known.errands)
        for errand in known.errands.values():
            if errand.rings:
                self._around.alarm(self._id, errand)
            elif errand.holds and not self._work.has(errand):
                tool = self._program.tools.get(errand.name) if errand.waits is Waits.CALL else None
                if tool is not None and tool.idempotent:
                    await self._write(with_renewal(self._ports, self._plan(), errand))
                    self._work.call(self, self._id, self._known.errands[errand.key], self._known.language)
                else:
                    self._work.fail(self, errand)

    # --- steps -------------------------------------------------------------------------------------------------------

    def _others_asked(self) -> bool:
        """Whether an answer is under way that has not arrived."""
        errands: Errands = self._snapshot.errands if self._snapshot else {}
        return any(one.waits is Waits.ASK and key not in self._arrived for key, one in errands.items())

    async def _take_arrived(self, own: Arrival) -> bool:
        """The answers that can come now are decided and on record, in the order in which they came; whether any was.

        Where one of them cannot be decided, only `own` is: the others are left to whoever brought them.
        """
        arrived = tuple(self._arrived.values())
        try:
            plan, taken = self._decided(arrived)
        except Exception:  # it comes again where the one at fault is taken on its own
            if arrived == (own,):
                raise
            plan, taken = self._decided((own,))
        if plan.records:
            await self._write(plan)
        for key in taken:
            self._arrived.pop(key, None)
        return bool(taken)

    def _decided(self, arrived: Iterable[Arrival]) -> tuple[Plan, list[IdempotencyKey]]:
        """The plan with those of the answers that can come now, and which are done with."""
        plan, taken = self._plan(), []
        for arrival in arrived:
            key, kind = arrival.errand.key, arrival.kind
            waiting = plan.after.errands.get(key)
            if waiting is None:
                taken.append(key)
            elif waiting.waits is Waits.ASK or not must_wait(self._program, plan.after, kind):
                plan = with_event(self._ports, plan, kind, arrival.fields, errand=waiting, answer=arrival.answer)
                taken.append(key)
        return plan, taken

    async def _step(
        self,
        kind: EventKind,
        fields: Mapping[str, Value],
        *,
        flight: Flight | None = None,
        errand: Errand | None = None,
    ) -> None:
        """The event is decided and on record; what is asked and called is under way."""
        await self._write(with_event(self._ports, self._plan(), kind, fields, flight=flight, errand=errand), flight)

    def _plan(self) -> Plan:
        return no_step(self._id, self._known, self._flights, self._ports.clock.now())

    async def _write(self, plan: Plan, flight: Flight | None = None) -> None:
        """The plan is durable; only then is it known here, and to those who wait, and what it wants done is begun."""
        self._snapshot = None  # where the commit fails, the store is asked what is true
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._ports.store.commit(commit_of(self._ports, plan))
        self._took = loop.time() - began
        self._snapshot = plan.after
        self._flights.go_on(plan.acts, plan.untold, plan.responses, flight)
        for errand in plan.begun:
            self._begin(errand, plan.after)
        for errand in plan.done:
            self._around.calm(errand.key)
        self._work.keep(plan.after.errands)
        for told in plan.told:
            self._around.tell(self._id, told)
        self._steps.notify_all()

    def _begin(self, errand: Errand, known: Snapshot) -> None:
        match errand.waits:
            case Waits.ASK:
                flight = self._flights.under_way.get(errand.request) if errand.request else None
                self._work.ask(self, errand, known, flight.until if flight else None)
            case Waits.CALL:
                self._work.call(self, self._id, errand, known.language)
            case Waits.TIMER | Waits.TRANSFER:
                self._around.alarm(self._id, errand)
            case Waits.EXHAUSTED | Waits.DOUBT:
                pass

    @property
    def _known(self) -> Snapshot:
        if self._snapshot is None:
            raise RuntimeError("the conversation was forgotten")
        return self._snapshot

    def _now(self) -> int:
        return max(self._ports.clock.now(), self._known.now)
