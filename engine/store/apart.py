"""A writer in a process of its own, which waits for no interpreter that is busy with an event loop, nor that for it."""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from .chain import Key, Sealed
from .commit import Committed
from .errors import Closed, StoreError, Unusable
from .group import Outcome
from .sqlite import SqliteOptions
from .writer import APART_SECONDS, settle

_LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Opening:
    """What the process is told first."""

    path: Path
    options: SqliteOptions
    key: Key
    largest_group: int


class Apart:
    """A `Writer` whose groups are written by a process of its own. For one event loop.

    The process ends with this one, once it has written what it was given. One that ends before is replaced by the next
    commit; what became of those that it had, the store tells.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._closed = False
        self._connection: _Connection | None = None

    def start(self) -> None:
        """The process runs."""
        self._socket, theirs = socket.socketpair()
        number = theirs.fileno()
        command = [sys.executable, "-m", f"{__package__}.writing", str(number)]
        with theirs:
            nothing = subprocess.DEVNULL
            self._process = subprocess.Popen(command, stdin=nothing, stdout=nothing, pass_fds=[number])

    async def commit(self, sealed: Sealed) -> Committed:
        """See `Writer`."""
        if self._closed:
            raise Closed(str(self._opening.path), "the store is closed")
        if self._connection is None:
            self._connection = _Connection(self._opening, self._socket)
        elif self._connection.lost.done():
            self._process.kill()
            self._process.wait()
            self.start()
            self._connection = _Connection(self._opening, self._socket)
        return await self._connection.commit(sealed)

    async def close(self) -> None:
        """Every commit that was handed over has its outcome, and the process has ended."""
        self._closed = True
        if self._connection is None:
            self._socket.close()
        else:
            await self._connection.close()
        await asyncio.to_thread(self._process.wait)


class _Connection(asyncio.Protocol):
    """The way to the process. It has one group at a time: what comes meanwhile, and a moment longer, forms the next."""

    def __init__(self, opening: Opening, way: socket.socket) -> None:
        self._where = str(opening.path)
        self._waiting: deque[asyncio.Future[Committed]] = deque()
        self._unsent: list[Opening | Sealed] = [opening]
        self._under_way = 0  # commits that the process has
        self._not_before = 0.0  # on the loop's clock: when the next group may begin
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._connecting = self._loop.create_task(self._loop.create_connection(lambda: self, sock=way))
        self.lost = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        for outcomes in received(self._received):
            self._settle(outcomes)

    def connection_lost(self, _: Exception | None) -> None:
        ended: StoreError = Unusable(self._where, "the process that writes has ended")
        self._unsent = []
        self._settle([ended] * len(self._waiting))
        self.lost.set_result(None)

    async def commit(self, sealed: Sealed) -> Committed:
        outcome: asyncio.Future[Committed] = self._loop.create_future()
        self._waiting.append(outcome)
        self._unsent.append(sealed)
        if len(self._unsent) == 1 and not self._under_way:
            self._begin()
        return await outcome

    async def close(self) -> None:
        transport, _ = await self._connecting
        self._send()
        if not self.lost.done():
            transport.write_eof()
            await self.lost

    def _begin(self) -> None:
        """The next group is sent as soon as it may be, with what comes at the same time."""
        if self._not_before > self._loop.time():
            self._loop.call_at(self._not_before, self._send)
        else:
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        if self._unsent and self._transport is not None:
            self._transport.write(message(self._unsent))
            self._unsent, self._under_way = [], len(self._waiting)
            self._not_before = self._loop.time() + APART_SECONDS if self._under_way > 1 else 0.0

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        settle([(self._waiting.popleft(), outcome) for outcome in outcomes])
        self._under_way -= len(outcomes)
        if self._unsent and not self._under_way:
            self._begin()


# --- messages --------------------------------------------------------------------------------------------------------


def message(content: object) -> bytes:
    """The bytes in which a value travels between the two processes."""
    pickled = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(pickled)) + pickled


def received(data: bytearray) -> Iterator[Any]:
    """The values that have come as a whole. What is left in `data` is the beginning of the next one."""
    while len(data) >= _LENGTH.size:
        end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
        if len(data) < end:
            return
        content = pickle.loads(data[_LENGTH.size : end])
        del data[:end]
        yield content
