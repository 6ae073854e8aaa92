"""Several server processes that share one port: the operating system gives each new connection to one of them.

They share the store, and with it every conversation. One that dies is started again, and what it left goes on.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from charter.engine.serve.address import reserved

LISTENING = "listening on "
AGAIN_SECONDS = 0.5
"""How long after its end a worker is started again."""
STOP_SECONDS = 30.0
"""How long a worker may take to answer what it has taken."""


class CannotShare(Exception):
    """A worker does not start."""


async def serve_workers(
    arguments: Sequence[str], listen: str, count: int, *, stop: asyncio.Event, ready: Callable[[str], None]
) -> None:
    """`charter serve` runs with these arguments in `count` processes until `stop` is set, then each has ended.

    `ready` is told the address once every worker takes calls. Raises `AddressUnavailable` and `CannotShare`.
    """
    with reserved(listen) as address:
        workers = [_Worker([*arguments, "--listen", address, "--shared"]) for _ in range(count)]
        async with asyncio.TaskGroup() as tasks:
            runs = [tasks.create_task(worker.run(stop)) for worker in workers]
            starting = asyncio.gather(*(worker.ready for worker in workers))
            either: list[asyncio.Future[Any]] = [starting, *runs]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                ready(address)
            else:
                starting.cancel()


class _Worker:
    """One process at a time. It ends with this one: its standard input is a pipe that closes."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, stop: asyncio.Event) -> None:
        """A process runs until `stop` is set. One that never got ready is not started again."""
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "charter",
                *self._arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                listening = asyncio.create_task(self._listening(process))
                ended = asyncio.create_task(process.wait())
                await asyncio.wait([stopping, ended], return_when=asyncio.FIRST_COMPLETED)
            finally:
                await _end(process)
            await listening
            if not self.ready.done():
                if stop.is_set():
                    self.ready.cancel()
                    return
                raise CannotShare(f"a worker ended with {process.returncode} before it took calls")
            if not stop.is_set():
                await asyncio.wait([stopping], timeout=AGAIN_SECONDS)

    async def _listening(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            if line.decode().startswith(LISTENING) and not self.ready.done():
                self.ready.set_result(None)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def stop_with_parent(stop: asyncio.Event) -> None:
    """`stop` is set when the process that started this one is gone."""
    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()

    def heard() -> None:
        if not os.read(descriptor, 1024):
            loop.remove_reader(descriptor)
            stop.set()

    loop.add_reader(descriptor, heard)
