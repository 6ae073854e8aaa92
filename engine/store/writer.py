"""The one thread of a process that writes, and the queue in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple, TypeAlias, assert_never

from .chain import Sealed
from .commit import Committed
from .errors import Closed, StoreError, Unusable
from .group import Outcome

WriteGroup: TypeAlias = Callable[[Sequence[Sealed]], Sequence[Outcome]]

APART_SECONDS = 0.005
"""How long after the beginning of a group that several shared the next one begins: a group by itself costs more than
several commits in it, so fewer and larger ones leave more of the machine to everything else."""


class _Waiting(NamedTuple):
    sealed: Sealed
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Committed]


class Writer:
    """Hands waiting commits to `write` in groups, from one thread, in the order in which they came.

    Whatever arrives while a group is written, and a moment longer where that was shared, forms the next one: an idle
    store commits at once, a busy one shares.
    """

    def __init__(self, where: str, write: WriteGroup, *, largest_group: int) -> None:
        self._where = where
        self._write = write
        self._largest = largest_group
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._entrance = threading.Lock()
        self._closed = False
        self._not_before = 0.0
        self._thread = threading.Thread(target=self._run, name="charter-store-writer", daemon=True)

    def start(self) -> None:
        """The thread runs."""
        self._thread.start()

    async def commit(self, sealed: Sealed) -> Committed:
        """The commit is durable, or an error says why not. To cancel the wait does not take the commit back."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(sealed, loop, loop.create_future())
        with self._entrance:
            if self._closed:
                raise Closed(self._where, "the store is closed")
            self._queue.put(waiting)
        return await waiting.future

    async def close(self) -> None:
        """Every commit that was queued has its outcome, and the thread has ended."""
        with self._entrance:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while group := self._next_group():
            try:
                outcomes = self._write([waiting.sealed for waiting in group])
            except Exception as error:  # the outermost loop of this thread: every caller must hear of it
                outcomes = [Unusable(self._where, f"unexpected {error!r}") for _ in group]
            for loop in {waiting.loop for waiting in group}:
                settled = [
                    (waiting.future, outcome)
                    for waiting, outcome in zip(group, outcomes, strict=True)
                    if waiting.loop is loop
                ]
                with contextlib.suppress(RuntimeError):  # the callers' loop is gone, and the callers with it
                    loop.call_soon_threadsafe(settle, settled)

    def _next_group(self) -> list[_Waiting]:
        first = self._queue.get()
        if (early := self._not_before - time.monotonic()) > 0:
            time.sleep(early)
        began = time.monotonic()
        group = [] if first is None else [first]
        while group and len(group) < self._largest:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if following is None:
                self._queue.put(None)  # nothing follows the end: it waits for the next round
                break
            group.append(following)
        self._not_before = began + APART_SECONDS if len(group) > 1 else 0.0
        return group


def settle(settled: Sequence[tuple[asyncio.Future[Committed], Outcome]]) -> None:
    """Those who wait hear of it."""
    for future, outcome in settled:
        if future.done():
            continue
        match outcome:
            case Committed():
                future.set_result(outcome)
            case StoreError():
                future.set_exception(outcome)
            case never:
                assert_never(never)
