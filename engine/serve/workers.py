"""Several server processes that share one port: the operating system gives each new connection to one of them.

They share the store, and with it every conversation. One that dies is started again, and what it left goes on.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

LISTENING = "listening on "
AGAIN_SECONDS = 0.5
"""How long after its end a worker is started again."""
STOP_SECONDS = 30.0
"""How long a worker may take to answer what it has taken."""


class CannotShare(Exception):
    """The address cannot be had, or a worker does not start."""


async def serve_workers(
    arguments: Sequence[str], listen: str, count: int, *, stop: asyncio.Event, ready: Callable[[str], None]
) -> None:
    """`charter serve` runs with these arguments in `count` processes until `stop` is set, then each has ended.

    `ready` is told the address once every worker takes calls. Raises `CannotShare`.
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


@contextmanager
def reserved(listen: str) -> Iterator[str]:
    """The address with the port that was taken; as long as this lasts, only servers that share can have it."""
    host, _, port = listen.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    place = (host.strip("[]"), int(port) if port.isdigit() else -1)
    try:
        with socket.socket(family) as alone:  # where anybody listens already, this fails
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(place)
            place = (place[0], alone.getsockname()[1])
        with socket.socket(family) as shared:
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past connections of a server that was alone
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            shared.bind(place)
            yield f"{host}:{place[1]}"
    except (OSError, OverflowError) as error:
        raise CannotShare(f"cannot listen on {listen}: {error}") from error


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
