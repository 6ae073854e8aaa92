"""The conversations that a process works on, and the outermost loop of a turn: here an exception becomes an answer."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, assert_never

from charter.engine.conversation.alarms import Alarms
from charter.engine.conversation.errands import Errand
from charter.engine.conversation.flight import Flight
from charter.engine.conversation.line import Place
from charter.engine.conversation.listeners import Listeners
from charter.engine.conversation.ports import Ports, Told
from charter.engine.conversation.refused import ELSEWHERE, OVERLOADED, REUSED, Refused, Why, refusal
from charter.engine.conversation.turn import POLL_SECONDS, LiveConversation
from charter.engine.deployment import Limits
from charter.engine.store import (
    AlreadyRequested,
    Answered,
    ConversationId,
    Erased,
    IdempotencyKey,
    InFlight,
    Mismatch,
    RequestId,
    StoreError,
    Unseen,
)

MOST_REMEMBERED = 1024
"""Conversations whose state is kept in memory between two requests."""
LOOK_SECONDS = 2.0
"""How often this server looks for turns that another one left."""
LOOK_FOR_ALARMS_SECONDS = 30.0
"""How often it looks for timers and transfers that another one left."""
MOST_ALARMS = 100_000
QUIET_SECONDS = 10.0
"""How long nothing more is logged of a store that cannot be used."""
AGAIN_SECONDS = 0.25
RETRY_SECONDS = 0.025

_log = logging.getLogger(__name__)


class _Flying(NamedTuple):
    flight: Flight
    task: asyncio.Task[bytes | Refused]


@dataclass(frozen=True, slots=True)
class _Kept:
    live: LiveConversation
    flights: dict[RequestId, _Flying] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        return not self.flights and self.live.idle


class Conversations:
    """Takes requests, whatever becomes of their callers, and gives each its one answer.

    INVARIANT: a conversation is kept here while anything of it is under way; of the others, the last ones are kept too.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._flying = 0  # requests
        self._quiet_until = 0.0
        self._kept: OrderedDict[ConversationId, _Kept] = OrderedDict()
        self._alarms = Alarms(ports.clock, self._rings)
        self._ringing: set[IdempotencyKey] = set()  # their alarms are not set again meanwhile
        self._tasks: set[asyncio.Task[None]] = set()
        self.listeners = Listeners()

    @property
    def limits(self) -> Limits:
        """How much is taken on."""
        return self._ports.limits

    async def take(self, conversation: ConversationId, flight: Flight) -> bytes | Refused:
        """The answer: of this request, or the one recorded when it came before; one that is in flight is waited for."""
        return await asyncio.shield(self.begin(conversation, flight))

    def begin(self, conversation: ConversationId, flight: Flight) -> "asyncio.Future[bytes | Refused]":
        """The request has its place among those of the conversation; its answer comes.

        One that is not under way already is refused where as many are as the limits say.
        """
        known = self._kept.get(conversation)
        if known is not None and (first := known.flights.get(flight.id)) is not None:
            return first.task if first.flight.digest == flight.digest else _answered(REUSED)
        if self._flying >= self._ports.limits.requests:
            return _answered(OVERLOADED)
        kept = self._keep(conversation)
        place = kept.live.line.join()
        task = asyncio.create_task(self._fly(kept.live, place, conversation, flight))
        kept.flights[flight.id] = _Flying(flight, task)
        self._flying += 1

        def landed(_: object) -> None:
            self._flying -= 1
            place.leave()
            del kept.flights[flight.id]
            if not task.cancelled() and isinstance(answer := task.result(), Refused) and answer.why is Why.STORE:
                self._warned(answer)

        task.add_done_callback(landed)
        return task

    async def go_on(self) -> int:
        """The turns that a crash left open go on, what is due rings, and how many turns there were.

        To be called before any request.
        """
        done: set[ConversationId] = set()
        while left := [one for one in await self._left(everything=True) if one not in done]:
            await asyncio.gather(*(self._mend(conversation) for conversation in left))
            done.update(left)
        await self._set_alarms()
        return len(done)

    async def look(self) -> None:
        """What other servers leave goes on here, from now on, until this is cancelled."""
        rounds = 0
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            rounds += 1
            try:
                for conversation in await self._left():
                    self._spawn(self._mend(conversation))
                if rounds % round(LOOK_FOR_ALARMS_SECONDS / LOOK_SECONDS) == 0:
                    await self._set_alarms()
            except StoreError as error:
                _log.warning("nothing can be looked for: %s", error)

    async def drain(self) -> None:
        """Every request that was taken has its answer, and nothing that was asked or called is waited for."""
        while tasks := [flying.task for kept in self._kept.values() for flying in kept.flights.values()]:
            await asyncio.wait(tasks)
        await asyncio.gather(*(kept.live.settled() for kept in list(self._kept.values())))

    def close(self) -> None:
        """Nothing is under way any more, as after a crash."""
        self._alarms.close()
        for task in self._tasks:
            task.cancel()
        for kept in self._kept.values():
            kept.live.close()

    # --- what surrounds a conversation -------------------------------------------------------------------------------

    def alarm(self, conversation: ConversationId, errand: Errand) -> None:
        """See `Surroundings`."""
        if errand.key not in self._ringing:
            self._alarms.set(conversation, errand)

    def calm(self, key: IdempotencyKey) -> None:
        """See `Surroundings`."""
        self._alarms.clear(key)

    def tell(self, conversation: ConversationId, told: Told) -> None:
        """See `Surroundings`."""
        self.listeners.tell(conversation, told)

    def _keep(self, conversation: ConversationId) -> _Kept:
        kept = self._kept.get(conversation)
        if kept is None:
            kept = self._kept[conversation] = _Kept(LiveConversation(self._ports, self, conversation))
            self._let_go()
        else:
            self._kept.move_to_end(conversation)
        return kept

    def _let_go(self) -> None:
        """The conversations that nothing was heard of for longest are forgotten; those under way stay."""
        for conversation, kept in list(islice(self._kept.items(), max(0, len(self._kept) - MOST_REMEMBERED))):
            if kept.idle:
                del self._kept[conversation]

    # --- what is left to do ------------------------------------------------------------------------------------------

    async def _left(self, *, everything: bool = False) -> list[ConversationId]:
        """Turns under way that nobody works on; at first also those that this owner left before it began."""
        now, owner = self._ports.clock.now(), self._ports.owner
        found = await self._ports.store.open_conversations(2**63 - 1 if everything else now, limit=1000)
        return [one.id for one in found if one.lease is None or one.lease.owner == owner or one.lease.expires <= now]

    async def _mend(self, conversation: ConversationId) -> None:
        live = self._keep(conversation).live
        try:
            live.doubt()
            refused = await live.go_on()
        except Exception as error:
            refused = _failed(error, conversation)
        if refused and refused is not ELSEWHERE:
            _log.warning("conversation %s cannot go on: %s", conversation, refused.logged)

    async def _set_alarms(self) -> None:
        """Alarms are set for what is due before this is done the next time, whoever began it."""
        soon = self._ports.clock.now() + round(2 * LOOK_FOR_ALARMS_SECONDS * 1000)
        for entry in await self._ports.store.due(soon, limit=MOST_ALARMS):
            if entry.key not in self._ringing:
                self._alarms.set_due(entry.conversation, entry.key, entry.due or 0)

    def _rings(self, conversation: ConversationId, key: IdempotencyKey) -> None:
        self._ringing.add(key)
        self._spawn(self._ring(conversation, key))

    async def _ring(self, conversation: ConversationId, key: IdempotencyKey) -> None:
        """The outermost loop of what comes by itself: what fails is tried again."""
        live = self._keep(conversation).live
        place = live.line.join()
        try:
            refused = await live.ring(key, place)
        except Exception as error:
            refused = _failed(error, conversation)
        finally:
            place.leave()
            self._ringing.discard(key)
        if refused is not None and refused.why in (Why.BUSY, Why.STORE):
            self._alarms.set_in(conversation, key, AGAIN_SECONDS)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- a request ---------------------------------------------------------------------------------------------------

    async def _fly(
        self, live: LiveConversation, place: Place, conversation: ConversationId, flight: Flight
    ) -> bytes | Refused:
        """The outermost loop of a turn. What another server does to the conversation is waited for as long as the
        request allows; where an error of ours comes once it is on record, it goes on as after a crash.
        """
        while True:
            refused: Refused | None
            try:
                refused = await live.take(flight, place)
            except AlreadyRequested:
                refused = ELSEWHERE
            except Exception as error:
                live.forget()
                refused = _failed(error, conversation)
            if flight.response is not None:
                return flight.response
            if refused is not None and (refused.why is Why.STORE or (refused.why is Why.BUG and not flight.recorded)):
                return refused
            try:
                found = await self._found(live, conversation, flight)
            except StoreError as error:
                return refusal(error)
            if found is not None:
                return found
            if refused is not None and refused is not ELSEWHERE:
                return refused
            if asyncio.get_running_loop().time() >= flight.until:
                return ELSEWHERE
            await asyncio.sleep(RETRY_SECONDS)

    async def _found(
        self, live: LiveConversation, conversation: ConversationId, flight: Flight
    ) -> bytes | Refused | None:
        """What is on record of the request, once it is complete; None where nothing is."""
        until = asyncio.get_running_loop().time() + self._ports.limits.turn_seconds + 1
        while asyncio.get_running_loop().time() < until:
            match await self._ports.store.request(conversation, flight.id, flight.digest):
                case Unseen():
                    return None
                case Answered(response):
                    return response
                case Mismatch():
                    return REUSED
                case Erased():
                    return Refused(Why.ERASED, "the answer was erased with the customer's data")
                case InFlight():  # a crash took the server from it, or another server works on it
                    refused = await live.join(flight.id)
                    if refused is not None and refused.why is Why.STORE:
                        return refused
                    if refused is not None:
                        await asyncio.sleep(POLL_SECONDS)
                case never:
                    assert_never(never)
        return ELSEWHERE

    def _warned(self, refused: Refused) -> None:
        """The operator knows that the store cannot be used; that is logged now and then only."""
        now = asyncio.get_running_loop().time()
        if now >= self._quiet_until:
            _log.error("requests are refused: %s", refused.logged)
            self._quiet_until = now + QUIET_SECONDS


def _answered(refused: Refused) -> "asyncio.Future[bytes | Refused]":
    answer: asyncio.Future[bytes | Refused] = asyncio.get_running_loop().create_future()
    answer.set_result(refused)
    return answer


def _failed(error: Exception, conversation: ConversationId) -> Refused:
    """What the caller is told; what an operator has to look into is logged."""
    refused = refusal(error)
    if refused.why is Why.BUG:
        _log.error("conversation %s", conversation, exc_info=error)
    elif refused.why is Why.TAMPERED:
        _log.error("%s", error)
    return refused
