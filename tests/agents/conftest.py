"""Real servers on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import grpc.aio
import pytest

from charter.agents import serve
from charter.v1.suggestion_pb2_grpc import SuggestionProviderStub

AddServices: TypeAlias = Callable[[grpc.aio.Server], None]


@dataclass(frozen=True)
class Served:
    """A server that runs: setting `stop` drains it, and `ended` is then over."""

    address: str
    channel: grpc.aio.Channel
    stub: SuggestionProviderStub
    stop: asyncio.Event
    ended: asyncio.Task[None]


Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Served]]


@asynccontextmanager
async def served(add_services: AddServices, **options: object) -> AsyncIterator[Served]:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving = serve(add_services, listen="127.0.0.1:0", stop=stop, ready=ready.set_result, **options)
    task = asyncio.create_task(serving)
    address = await ready
    async with grpc.aio.insecure_channel(address) as channel:
        yield Served(address, channel, SuggestionProviderStub(channel), stop, task)
    stop.set()
    await task


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where models are kept for the whole run: the first test that wants one waits for it."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def serving() -> Serve:
    return served
