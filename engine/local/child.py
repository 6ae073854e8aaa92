"""Server processes of ours: started, waited for until they listen, and ended."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

START_SECONDS = 600.0  # an agent may have to learn first
STOP_SECONDS = 15.0

_LISTENING = "listening on "


class DidNotStart(Exception):
    """A process ended, or said nothing for too long; the message has the last lines of what it wrote."""


@asynccontextmanager
async def child(arguments: Sequence[str], log: Path, show: Callable[[str], None]) -> AsyncIterator[str]:
    """`python -m …` runs, and here is the address at which it listens; then it is ended. It complains to `log`."""
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *arguments, stdout=asyncio.subprocess.PIPE, stderr=errors
        )
        try:
            yield await _address(process, log, show)
        finally:
            await _end(process)


async def _address(process: asyncio.subprocess.Process, log: Path, show: Callable[[str], None]) -> str:
    began = time.monotonic()
    reading = asyncio.ensure_future(_listening(process))
    while not reading.done() and time.monotonic() - began < START_SECONDS:
        await asyncio.wait([reading], timeout=5)
        if not reading.done():
            show(f"  still starting, {time.monotonic() - began:.0f} s")
    if reading.done() and (address := reading.result()) is not None:
        return address
    reading.cancel()
    tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-5:])
    raise DidNotStart(tail or "it said nothing")


async def _listening(process: asyncio.subprocess.Process) -> str | None:
    assert process.stdout is not None
    async for line in process.stdout:
        if (text := line.decode().strip()).startswith(_LISTENING):
            return text.removeprefix(_LISTENING)
    return None


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
