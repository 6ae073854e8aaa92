"""The event loop of a server: uvloop's, on which a call takes less time, or asyncio's own where it is not installed."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def run(serving: Coroutine[Any, Any, None]) -> None:
    """Serves to the end."""
    with asyncio.Runner(loop_factory=_uvloop()) as runner:
        runner.run(serving)


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:  # there is none for Windows
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
