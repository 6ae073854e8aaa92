"""Answers the questions of one call of `SuggestMany`, each in a task of its own, within the bounds of its contract."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeAlias

import grpc

from charter.v1.suggestion_pb2 import (
    Failure,
    NumberedAnswer,
    NumberedQuestion,
    SuggestManyRequest,
    SuggestManyResponse,
    SuggestRequest,
)

LARGEST_MESSAGE = 64 * 1024
"""Bytes; the bound on a question and, by default, on an answer."""
MOST_QUESTIONS = 128
"""Open questions of one call."""
FRAME = 16
"""Bytes that a message spends at most on a question or an answer beside it."""


class Unanswered(Exception):
    """There is no answer to a question, and why: how its call ends."""

    def __init__(self, code: grpc.StatusCode, details: str, metadata: Sequence[tuple[str, str | bytes]] = ()) -> None:
        super().__init__(details)
        self.code, self.details, self.metadata = code, details, tuple(metadata)


Answer: TypeAlias = Callable[[SuggestRequest], Awaitable[bytes]]
"""A `SuggestResponse`, or bytes that should be one. Raises `Unanswered`."""


async def answer_many(
    messages: AsyncIterator[SuggestManyRequest], answer: Answer, *, largest: int = LARGEST_MESSAGE
) -> AsyncIterator[SuggestManyResponse]:
    """Yields answers as they come, until there are no more questions; `largest` bounds one, -1 does not."""
    call = _Call(answer, largest)
    reading = asyncio.create_task(call.read(messages))
    try:
        while (ready := await call.ready()) is not None:
            yield ready
    finally:
        reading.cancel()
        call.close()


class _Call:
    """Questions that are open, and answers to be sent."""

    def __init__(self, answer: Answer, largest: int) -> None:
        self._answer, self._largest = answer, largest
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._answers: deque[NumberedAnswer] = deque()
        self._more = asyncio.Event()
        self._complete = False

    async def read(self, messages: AsyncIterator[SuggestManyRequest]) -> None:
        """Every question has its answer, unless its time has passed or it was withdrawn."""
        try:
            async for message in messages:
                for asked in message.questions:
                    self._begin(asked)
                for number in message.withdrawn:
                    if (task := self._tasks.pop(number, None)) is not None:
                        task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks.values())
        finally:
            self._complete = True
            self._more.set()

    async def ready(self) -> SuggestManyResponse | None:
        """The next answers; None after the last."""
        while not self._answers:
            if self._complete:
                return None
            self._more.clear()
            await self._more.wait()
        message, size = SuggestManyResponse(), 0
        while self._answers and (not size or size + self._answers[0].ByteSize() + FRAME <= LARGEST_MESSAGE):
            one = self._answers.popleft()
            message.answers.append(one)
            size += one.ByteSize() + FRAME
        return message

    def close(self) -> None:
        """Nobody waits for answers."""
        for task in self._tasks.values():
            task.cancel()

    def _begin(self, asked: NumberedQuestion) -> None:
        if len(self._tasks) < MOST_QUESTIONS:
            self._tasks[asked.number] = asyncio.create_task(self._work(asked))
        else:
            self._put(_failed(asked, grpc.StatusCode.RESOURCE_EXHAUSTED, "too many questions are open"))

    async def _work(self, asked: NumberedQuestion) -> None:
        try:
            async with asyncio.timeout(asked.within_ms / 1000):
                response = await self._answer(asked.question)
        except TimeoutError:  # nobody waits for it
            return
        except Unanswered as why:
            self._put(_failed(asked, why.code, why.details))
        else:
            if self._largest >= 0 and len(response) + FRAME > self._largest:
                self._put(_failed(asked, grpc.StatusCode.RESOURCE_EXHAUSTED, f"larger than max: {len(response)} bytes"))
            else:
                self._put(NumberedAnswer(number=asked.number, response=response))
        finally:
            self._tasks.pop(asked.number, None)

    def _put(self, answer: NumberedAnswer) -> None:
        self._answers.append(answer)
        self._more.set()


def _failed(asked: NumberedQuestion, code: grpc.StatusCode, why: str) -> NumberedAnswer:
    number: int = code.value[0]
    return NumberedAnswer(number=asked.number, failure=Failure(code=number, message=why))
