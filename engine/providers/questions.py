"""Questions to one agent that share calls: whatever waits is sent in one message, and answered in any order."""

import asyncio
import contextlib
import math
from collections import deque
from typing import TypeAlias

import grpc.aio
from google.protobuf.message import DecodeError

from charter.agents.many import FRAME, LARGEST_MESSAGE, MOST_QUESTIONS
from charter.v1.suggestion_pb2 import (
    NumberedAnswer,
    NumberedQuestion,
    SuggestManyRequest,
    SuggestManyResponse,
    SuggestRequest,
)

LARGEST_QUESTION = 16_384
"""Bytes; a longer one has a call of its own."""
CALL_SECONDS = 1.0
"""How long a call takes questions. So an agent that shuts down is done soon, and its successor is asked."""
GRACE_SECONDS = 1.0
"""How long an agent may take to end a call of which nothing is waited for any more."""
PAUSE_SECONDS = 10.0
"""How long no call of many is tried with an agent that has answered nothing over one, or more than it was asked."""

_SUGGEST_MANY = "/charter.v1.SuggestionProvider/SuggestMany"
_Many: TypeAlias = "grpc.aio.StreamStreamCall[SuggestManyRequest, bytes]"


class Questions:
    """Asks one agent; what cannot be asked together with others is left to a call of its own."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._calls: grpc.aio.StreamStreamMultiCallable[SuggestManyRequest, bytes] = channel.stream_stream(
            _SUGGEST_MANY, request_serializer=SuggestManyRequest.SerializeToString, response_deserializer=bytes
        )
        self._call: _Call | None = None
        self._not_before = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, question: SuggestRequest, *, within: float) -> NumberedAnswer | None:
        """The answer; None where the question is to be asked alone. Raises `TimeoutError`."""
        if question.ByteSize() > LARGEST_QUESTION or asyncio.get_running_loop().time() < self._not_before:
            return None
        if self._call is None or self._call.closed:
            self._call = _Call(self._calls(None))
            task = asyncio.create_task(self._hold(self._call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return None if self._call.full else await self._call.ask(question, within)

    def close(self) -> None:
        """Nothing is asked any more."""
        for task in self._tasks:
            task.cancel()

    async def _hold(self, call: "_Call") -> None:
        if not await call.hold():
            self._not_before = asyncio.get_running_loop().time() + PAUSE_SECONDS


class _Call:
    """One call: its open questions, and what is to be sent of them."""

    def __init__(self, call: _Many) -> None:
        self._call = call
        self._open: dict[int, asyncio.Future[NumberedAnswer | None]] = {}
        self._unsent: deque[NumberedQuestion] = deque()
        self._withdrawn: list[int] = []
        self._more = asyncio.Event()
        self._last = 0
        self._answers = 0
        self._until = 0.0  # by the loop's clock: when nothing is waited for any more
        self.closed = False

    @property
    def full(self) -> bool:
        """No more questions may be open."""
        return len(self._open) >= MOST_QUESTIONS

    async def ask(self, question: SuggestRequest, within: float) -> NumberedAnswer | None:
        """The answer; None where the call ended without it. Raises `TimeoutError`."""
        number = self._last = self._last + 1
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[NumberedAnswer | None] = loop.create_future()
        self._open[number] = answer
        self._until = max(self._until, loop.time() + within)
        self._unsent.append(NumberedQuestion(number=number, question=question, within_ms=math.ceil(within * 1000)))
        self._more.set()
        late = loop.call_later(within, _late, answer)
        try:
            return await answer
        except asyncio.CancelledError:
            self._withdrawn.append(number)
            self._more.set()
            raise
        finally:
            late.cancel()
            self._open.pop(number, None)

    async def hold(self) -> bool:
        """The call has ended, with questions unanswered or not; False where it is not worth another one soon."""
        loop = asyncio.get_running_loop()
        ending = asyncio.timeout(None)
        closing = loop.call_later(CALL_SECONDS, self._close, ending)
        sending = asyncio.create_task(self._send())
        try:
            async with ending:
                async for message in self._call:
                    self._take(message)
                    if self._answers > self._last:  # it floods, and would not end
                        return False
        except (grpc.aio.AioRpcError, DecodeError, TimeoutError):
            return self._answers > 0
        finally:
            closing.cancel()
            sending.cancel()
            self._call.cancel()
            self.closed = True
            for answer in self._open.values():
                if not answer.done():
                    answer.set_result(None)
        return True

    def _close(self, ending: asyncio.Timeout) -> None:
        """Takes no more questions, and waits for the agent no longer than anybody for its answers."""
        self.closed = True
        self._more.set()
        ending.reschedule(max(self._until, asyncio.get_running_loop().time()) + GRACE_SECONDS)

    def _take(self, message: bytes) -> None:
        answers = SuggestManyResponse.FromString(message).answers
        for one in answers:
            waiting = self._open.pop(one.number, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(one)
        self._answers += max(1, len(answers))

    async def _send(self) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):  # whoever reads hears of it, too
            while not self.closed:
                await self._more.wait()
                self._more.clear()
                while (message := self._next()) is not None:
                    await self._call.write(message)
            await self._call.done_writing()

    def _next(self) -> SuggestManyRequest | None:
        """As much as there is to send, and goes into one message."""
        message, size = SuggestManyRequest(withdrawn=self._withdrawn), len(self._withdrawn) * FRAME
        self._withdrawn = []
        while self._unsent and size + self._unsent[0].ByteSize() + FRAME <= LARGEST_MESSAGE:
            one = self._unsent.popleft()
            if one.number in self._open:
                message.questions.append(one)
                size += one.ByteSize() + FRAME
        return message if size else None


def _late(answer: "asyncio.Future[NumberedAnswer | None]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
