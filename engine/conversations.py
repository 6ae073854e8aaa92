"""The conversations that a process works on, and the outermost loop of a turn: here an exception becomes an answer."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import assert_never

from charter.dsl.types import INT64_MAX
from charter.engine.flight import Flight
from charter.engine.line import Place
from charter.engine.refused import REUSED, Refused, Why
from charter.engine.store import (
    Answered,
    ConversationId,
    Erased,
    InFlight,
    Mismatch,
    Requested,
    RequestId,
    StoreError,
    Unseen,
)
from charter.engine.store import Refused as CommitRefused
from charter.engine.turn import LiveConversation, Ports

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Flying:
    flight: Flight
    task: asyncio.Task[bytes | Refused]


@dataclass(frozen=True, slots=True)
class _Kept:
    live: LiveConversation
    flights: dict[RequestId, _Flying] = field(default_factory=dict)


class Conversations:
    """Takes requests, whatever becomes of their callers, and gives each its one answer.

    INVARIANT: a conversation is kept here while a request of it is worked on, and no longer.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._kept: dict[ConversationId, _Kept] = {}

    async def take(self, conversation: ConversationId, flight: Flight) -> bytes | Refused:
        """The answer: of this request, or the one recorded when it came before; one that is in flight is waited for."""
        kept = self._kept.setdefault(conversation, _Kept(LiveConversation(self._ports, conversation)))
        if (first := kept.flights.get(flight.id)) is not None:
            if first.flight.digest != flight.digest:
                return REUSED
            return await asyncio.shield(first.task)
        place = kept.live.line.join()
        task = asyncio.create_task(self._fly(kept.live, place, conversation, flight))
        kept.flights[flight.id] = _Flying(flight, task)
        task.add_done_callback(lambda _: self._landed(conversation, flight.id, place))
        return await asyncio.shield(task)

    async def go_on(self) -> int:
        """The turns that a crash left open have gone on, and how many there were. To be called before any request."""
        done: set[ConversationId] = set()
        while left := [one for one in await self._left() if one not in done]:
            await asyncio.gather(*(self._mend(conversation) for conversation in left))
            done.update(left)
        return len(done)

    async def drain(self) -> None:
        """Every request that was taken has its answer."""
        while tasks := [flying.task for kept in self._kept.values() for flying in kept.flights.values()]:
            await asyncio.wait(tasks)

    async def _left(self) -> list[ConversationId]:
        """Turns under way that nobody works on; those of this owner are of before it began."""
        now, owner = self._ports.clock.now(), self._ports.owner
        found = await self._ports.store.open_conversations(INT64_MAX, limit=1000)
        return [one.id for one in found if one.lease is None or one.lease.owner == owner or one.lease.expires <= now]

    async def _mend(self, conversation: ConversationId) -> None:
        try:
            live = LiveConversation(self._ports, conversation)
            refused = await live.go_on(live.line.join())
        except Exception:
            _log.exception("conversation %s cannot go on", conversation)
        else:
            if refused:
                _log.warning("conversation %s cannot go on: %s", conversation, refused.detail)

    def _landed(self, conversation: ConversationId, request: RequestId, place: Place) -> None:
        place.leave()
        kept = self._kept[conversation]
        del kept.flights[request]
        if not kept.flights:
            del self._kept[conversation]

    async def _fly(
        self, live: LiveConversation, place: Place, conversation: ConversationId, flight: Flight
    ) -> bytes | Refused:
        """The outermost loop of a turn. Where it fails once its request is on record, it goes on as after a crash:

        what it asked has failed, and the policy's rule for that speaks or hands over to a person.
        """
        while True:
            begun = flight.recorded
            try:
                return await self._answer(live, place, conversation, flight)
            except Exception as error:
                live.forget()
                refused = _refusal(error)
                if refused.why is not Why.BUG:
                    return refused
                _log.exception("request %s of conversation %s", flight.id, conversation)
                if begun or not flight.recorded:
                    return refused

    async def _answer(
        self, live: LiveConversation, place: Place, conversation: ConversationId, flight: Flight
    ) -> bytes | Refused:
        match await self._ports.store.request(conversation, flight.id, flight.digest):
            case Unseen():
                refused = await live.take(flight, place)
            case InFlight():  # a crash took the server from it
                refused = await live.go_on(place)
            case seen:
                return _recorded(seen)
        if refused is not None:
            return refused
        if flight.response is not None:
            return flight.response
        return _recorded(await self._ports.store.request(conversation, flight.id, flight.digest))


def _recorded(seen: Requested) -> bytes | Refused:
    match seen:
        case Answered(response):
            return response
        case Mismatch():
            return REUSED
        case Erased():
            return Refused(Why.ERASED, "the answer was erased with the customer's data")
        case InFlight() | Unseen():
            return Refused(Why.BUSY, "the request is being worked on")
        case _:
            assert_never(seen)


def _refusal(error: BaseException) -> Refused:
    """What the caller is told. A group of errors is that of the tasks of one turn: the first tells."""
    match error:
        case BaseExceptionGroup(exceptions=(first, *_)):
            return _refusal(first)
        case CommitRefused():  # another process was faster
            return Refused(Why.BUSY, str(error))
        case StoreError():
            return Refused(Why.STORE, str(error))
        case _:
            return Refused(Why.BUG, "an error that is ours; it is in the server's log")
