"""One stream of `Converse`: requests come in, and what is decided goes out in the order in which it is recorded."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum

from charter.dsl.program import Program
from charter.engine.conversation.conversations import Conversations
from charter.engine.conversation.flight import Flight
from charter.engine.conversation.messages import act_message
from charter.engine.conversation.ports import Told
from charter.engine.conversation.record import acts_in
from charter.engine.conversation.refused import BUG, OTHER_POLICY, UNKNOWN, Refused, Why, refusal
from charter.engine.conversation.snapshot import Snapshot, is_of, snapshot
from charter.engine.conversation.step import SHOWN
from charter.engine.serve.events import incoming
from charter.engine.serve.status import refusal_message
from charter.engine.store import ConversationId, Digest, RequestId, Store, StoreError
from charter.v1 import conversations_pb2 as pb
from charter.v1.validation import violations

HEADROOM_SECONDS = 0.5
"""A caller is answered this long before its deadline."""
LOOK_SECONDS = 1.0
"""How often a stream reads what other servers did to its conversation."""
LONGEST_QUEUE = 1024
"""Steps that a client may be behind before they are read again from the store."""

_log = logging.getLogger(__name__)


def flight_of(program: Program, request: pb.TurnRequest, remaining: float | None, longest: float) -> Flight | Refused:
    """The request on its way, to be answered before the seconds that its caller has left have passed."""
    event = incoming(program, request)
    if isinstance(event, Refused):
        return event
    seconds = longest if remaining is None else min(longest, remaining - HEADROOM_SECONDS)
    return Flight(
        id=RequestId(request.request_id.lower()),
        digest=Digest(hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()),
        kind=event.kind,
        fields=event.fields,
        until=asyncio.get_running_loop().time() + seconds,
    )


async def steps_after(
    program: Program, store: Store, conversation: ConversationId, after: int, now: Snapshot
) -> list[pb.Step]:
    """The recorded steps after a sequence number, with the acts that the platform carries out."""
    records = await store.records(conversation, after=after)
    return [
        pb.Step(
            sequence=record.sequence,
            request_id=record.request_id or "",
            acts=[
                act_message((record.sequence, act), program, now.language)
                for act in acts_in(program, record)
                if act.kind in SHOWN
            ],
            open=now.open,
            over=now.over,
        )
        for record in records
    ]


@dataclass(frozen=True, slots=True)
class _Answered:
    request_id: str
    answer: bytes | Refused


class _Sign(Enum):
    LOOK = "there are steps in the store that were not told"
    END = "the client has said all"


class Stream:
    """One stream, for one conversation: what is told, answered and refused goes out in order, through one queue."""

    def __init__(self, program: Program, conversations: Conversations, store: Store) -> None:
        self._program = program
        self._conversations = conversations
        self._store = store
        self._queue: asyncio.Queue[Told | _Answered | _Sign] = asyncio.Queue()
        self._conversation: ConversationId | None = None
        self._told = 0  # the last sequence number that was told
        self._tasks: set[asyncio.Task[None]] = set()
        self._unanswered = 0
        self.refused: Refused | None = None  # why the rest of what the client says was not read

    async def said(self, requests: AsyncIterator[pb.ConverseRequest | Refused]) -> AsyncIterator[pb.ConverseResponse]:
        """What the client hears, until it has ended its side and has every answer, or leaves."""
        with ExitStack() as closing:
            reading = asyncio.create_task(self._read(requests, closing))
            closing.callback(reading.cancel)
            ended = False
            while not (ended and not self._unanswered and self._queue.empty()):
                match await self._heard():
                    case _Sign.END:
                        ended = True
                    case _Sign.LOOK:
                        for step in await self._missed():
                            yield pb.ConverseResponse(step=step)
                    case Told() as heard:
                        for step in await self._steps(heard):
                            yield pb.ConverseResponse(step=step)
                    case _Answered(request_id, Refused() as refused):
                        yield pb.ConverseResponse(refusal=refusal_message(request_id, refused))
                    case _Answered(_, bytes() as answer):
                        yield pb.ConverseResponse(answer=pb.TurnResponse.FromString(answer))
            await reading

    async def _heard(self) -> Told | _Answered | _Sign:
        """What comes next; where nothing comes for a while, another server may have done something."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await self._queue.get()
        except TimeoutError:
            return _Sign.LOOK

    # --- what comes in -----------------------------------------------------------------------------------------------

    async def _read(self, requests: AsyncIterator[pb.ConverseRequest | Refused], closing: ExitStack) -> None:
        try:
            async for request in requests:
                if isinstance(request, Refused):
                    self.refused = request
                    return
                if refused := await self._take(request, closing):
                    self._queue.put_nowait(_Answered(request.turn.request_id, refused))
        finally:
            self._queue.put_nowait(_Sign.END)

    async def _take(self, request: pb.ConverseRequest, closing: ExitStack) -> Refused | None:
        turn = request.turn
        if broken := violations(request):
            return Refused(Why.INVALID, broken[0].description, broken[0].field)
        follows = request.HasField("follow")
        conversation = ConversationId((request.follow if follows else turn).conversation_id.lower())
        if self._conversation not in (None, conversation):
            return Refused(Why.INVALID, "a stream is for one conversation", "conversation_id")
        if self._conversation is None:
            refused = await self._listen(conversation, request.follow.after if follows else None, closing)
            if refused is not None:
                return refused
        if follows:
            return None
        flight = flight_of(self._program, turn, None, self._conversations.limits.turn_seconds)
        if isinstance(flight, Refused):
            return flight
        self._unanswered += 1
        answering = asyncio.create_task(self._answer(turn.request_id, self._conversations.begin(conversation, flight)))
        self._tasks.add(answering)
        answering.add_done_callback(self._tasks.discard)
        return None

    async def _answer(self, request_id: str, answer: "asyncio.Future[bytes | Refused]") -> None:
        try:
            found = await asyncio.shield(answer)
        except Exception:  # the outermost loop of a request on a stream
            _log.exception("request %s", request_id)
            found = BUG
        self._unanswered -= 1
        self._queue.put_nowait(_Answered(request_id, found))

    async def _listen(self, conversation: ConversationId, after: int | None, closing: ExitStack) -> Refused | None:
        """Every step from here on is told, and those after `after`."""
        try:
            stored = await self._store.load(conversation)
        except StoreError as error:
            return refusal(error)
        if stored is None and after is not None:
            return UNKNOWN
        if stored is not None and not is_of(self._program, stored):
            return OTHER_POLICY
        closing.enter_context(self._conversations.listeners.listen(conversation, self._hear))
        self._conversation = conversation
        self._told = after if after is not None else stored.last_sequence if stored else 0
        if after is not None:
            self._queue.put_nowait(_Sign.LOOK)
        return None

    def _hear(self, told: Told) -> None:
        if self._queue.qsize() < LONGEST_QUEUE:  # a client that is too far behind reads the rest from the store
            self._queue.put_nowait(told)

    # --- what goes out -----------------------------------------------------------------------------------------------

    async def _steps(self, told: Told) -> list[pb.Step]:
        """The step that was told, after those that were not."""
        if told.sequence != self._told + 1:
            return await self._missed() if told.sequence > self._told else []
        self._told = told.sequence
        acts = [act_message(shown, self._program, told.language) for shown in told.acts]
        return [
            pb.Step(sequence=told.sequence, request_id=told.request or "", acts=acts, open=told.open, over=told.over)
        ]

    async def _missed(self) -> list[pb.Step]:
        """The steps in the store that were not told."""
        if self._conversation is None:
            return []
        try:
            stored = await self._store.load(self._conversation)
            if stored is None or stored.last_sequence <= self._told or not is_of(self._program, stored):
                return []
            now = snapshot(self._program, stored)
            steps = await steps_after(self._program, self._store, self._conversation, self._told, now)
        except StoreError as error:
            _log.warning("a stream is behind: %s", error)
            return []
        self._told = max([self._told, *(step.sequence for step in steps)])
        return steps
