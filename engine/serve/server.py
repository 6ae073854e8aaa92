"""The server: puts a policy, its agents and a store together and serves them until it is told to stop."""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]  # the stubs are older than it
from grpc_reflection.v1alpha import reflection

from charter.agents.provider import bind
from charter.dsl.program import Program
from charter.engine.conversation.clock import Clock, SystemClock
from charter.engine.conversation.conversations import Conversations
from charter.engine.conversation.ports import Decider, Ports
from charter.engine.conversation.record import recorder
from charter.engine.deployment import Deployment
from charter.engine.providers.suggestions import GrpcAgents
from charter.engine.providers.tools import GrpcTools
from charter.engine.serve.address import reserved
from charter.engine.serve.certified import PROOF, Certified, proof_of
from charter.engine.serve.replica import replica
from charter.engine.serve.service import SERVICE, ConversationsService
from charter.engine.serve.unreadable import ReadingServer
from charter.engine.store import Key, open_store
from charter.v1 import conversations_pb2_grpc

DRAIN_SECONDS = 10.0
LISTENERS = 8
"""Servers of gRPC in this process, which share the port and so the connections. Each begins one call after the other;
where turns come fast, they wait longer for one alone to begin them than for all that follows."""
MOST_PENDING = 100_000
"""Calls that have come and are not begun; each is begun soon, and refused where too many are under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator decides. `listen` is `host:port`, port 0 for a free one; `shared`: other servers listen too.

    `certificate`: it was checked, so the policy is proved; clients can ask health about `charter.proof`.
    """

    store: Path
    key: Key
    deployment: Deployment
    listen: str
    reflection: bool = False
    shared: bool = False
    certificate: Certified | None = None
    clock: Clock = field(default_factory=SystemClock)


async def serve(
    program: Program,
    decider: Decider,
    settings: Settings,
    *,
    stop: asyncio.Event,
    ready: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """Serves until `stop` is set, then answers what it has taken, and closes.

    `ready` is told the address when calls can come, and `warn` what an operator should know. Raises
    `AddressUnavailable` where the address cannot be had and `StoreError` where the store cannot be used.
    """
    async with AsyncExitStack() as closing:
        owner = closing.enter_context(replica(settings.store))
        store = await asyncio.to_thread(open_store, f"sqlite:///{settings.store}", settings.key, apart=True)
        closing.push_async_callback(store.close)
        agents = await closing.enter_async_context(GrpcAgents(settings.deployment.agents))
        tools = await closing.enter_async_context(GrpcTools(settings.deployment.tools))
        ports = Ports(
            recorder=recorder(program),
            decider=decider,
            agents=agents,
            tools=tools,
            store=store,
            clock=settings.clock,
            owner=owner,
            limits=settings.deployment.limits,
        )
        conversations = Conversations(ports)
        closing.callback(conversations.close)
        for complaint in await agents.complaints(program.agents.values()) + await tools.complaints(
            program.tools.values()
        ):
            warn(complaint)
        if mended := await conversations.go_on():
            warn(f"{mended} conversation{'s' * (mended > 1)} went on after a crash")
        looking = asyncio.create_task(conversations.look())
        closing.callback(looking.cancel)
        service = ConversationsService(program, conversations, store, proof_of(program, settings.certificate))
        await _serve(service, settings, stop, ready)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await conversations.drain()


async def _serve(
    service: ConversationsService, settings: Settings, stop: asyncio.Event, ready: Callable[[str], None]
) -> None:
    state = health.HealthServicer()
    with nullcontext(settings.listen) if settings.shared else reserved(settings.listen) as address:
        listeners = [_listener(service, state, settings, address) for _ in range(LISTENERS)]
        await asyncio.gather(*(listener.start() for listener in listeners))
        serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", SERVICE):
            await state.set(name, serving)
        await state.set(PROOF, serving if settings.certificate else not_serving)
        ready(address)
        try:
            await stop.wait()
            await state.enter_graceful_shutdown()
        finally:
            await asyncio.gather(*(listener.stop(DRAIN_SECONDS) for listener in listeners))


def _listener(
    service: ConversationsService, state: health.HealthServicer, settings: Settings, address: str
) -> grpc.aio.Server:
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", settings.deployment.limits.request_bytes),
            ("grpc.so_reuseport", 1),
            # Clients ping to keep a quiet stream alive, and are pinged to notice those that are gone. By itself gRPC
            # hangs up on who pings more often than every five minutes, and looks for who is gone every two hours.
            ("grpc.http2.min_ping_interval_without_data_ms", 1000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.keepalive_time_ms", 60_000),
            # By itself gRPC cancels calls, without a reason, once a thousand of them are not begun.
            ("grpc.server.max_pending_requests", MOST_PENDING),
            ("grpc.server.max_pending_requests_hard_limit", MOST_PENDING),
        ],
    )
    reading: Any = ReadingServer(server)  # it has what generated code calls
    conversations_pb2_grpc.add_ConversationsServicer_to_server(service, reading)
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    if settings.reflection:
        reflection.enable_server_reflection((SERVICE, HEALTH, reflection.SERVICE_NAME), server)
    bind(server, address)
    return server
