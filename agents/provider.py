"""Serves any `Provider` over gRPC and keeps it within its bounds.

The bounds hold on this side whatever the caller checks on the other: the contract's rules, the size of a message, the
caller's deadline, the fields and symbols that the provider itself describes.
"""

import asyncio
import logging
import re
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]  # the stubs are older than it

from charter.agents import wire
from charter.agents.many import LARGEST_MESSAGE, Unanswered, answer_many
from charter.agents.suggestion import Abstention, Description, Question, Suggestion, Symbol
from charter.v1 import suggestion_pb2, suggestion_pb2_grpc
from charter.v1.validation import Violation, invalid_argument, violations

MOST_CALLS = 64
"""Calls at a time; one more is RESOURCE_EXHAUSTED at once, which is better than late."""
DRAIN = 5.0
"""Seconds that the calls under way are given when the server stops."""
SERVICE = "charter.v1.SuggestionProvider"

SuggestContext: TypeAlias = grpc.aio.ServicerContext[suggestion_pb2.SuggestRequest, suggestion_pb2.SuggestResponse]
ManyContext: TypeAlias = grpc.aio.ServicerContext[suggestion_pb2.SuggestManyRequest, suggestion_pb2.SuggestManyResponse]
DescribeContext: TypeAlias = grpc.aio.ServicerContext[suggestion_pb2.DescribeRequest, suggestion_pb2.DescribeResponse]


class Provider(Protocol):
    """What makes suggestions. Both methods may block; the threads of the executor that serves it call them."""

    def describe(self) -> Description:
        """Returns the same description each time."""

    def suggest(self, question: Question) -> Suggestion | Abstention:
        """Returns a suggestion in the described fields, or abstains."""


@dataclass(frozen=True, slots=True)
class ProviderServicer(suggestion_pb2_grpc.SuggestionProviderServicer):
    """Answers calls with what the provider says; `workers` runs the provider, so that the loop stays live.

    A call whose deadline passes, or whose caller leaves, while it waits for a worker never reaches the provider.
    """

    provider: Provider
    workers: Executor

    async def Describe(
        self,
        request: suggestion_pb2.DescribeRequest,  # noqa: ARG002  # gRPC's signature
        context: DescribeContext,  # noqa: ARG002
    ) -> suggestion_pb2.DescribeResponse:
        loop = asyncio.get_running_loop()
        return wire.description(await loop.run_in_executor(self.workers, self.provider.describe))

    async def Suggest(
        self, request: suggestion_pb2.SuggestRequest, context: SuggestContext
    ) -> suggestion_pb2.SuggestResponse:
        try:
            return await self._answer(request)
        except Unanswered as why:
            await context.abort(why.code, why.details, why.metadata)

    async def SuggestMany(
        self,
        request_iterator: AsyncIterator[suggestion_pb2.SuggestManyRequest],
        context: ManyContext,  # noqa: ARG002  # gRPC's signature
    ) -> AsyncIterator[suggestion_pb2.SuggestManyResponse]:
        async def answer(question: suggestion_pb2.SuggestRequest) -> bytes:
            return (await self._answer(question)).SerializeToString()

        async for answers in answer_many(request_iterator, answer):
            yield answers

    async def _answer(self, request: suggestion_pb2.SuggestRequest) -> suggestion_pb2.SuggestResponse:
        question = read_question(request)
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self.workers, answered, self.provider, question)
            response = wire.response(request.request_id, answer)
            if wrong := [one.description for one in violations(response)]:
                raise OutOfBounds("; ".join(wrong))
            return response
        except Exception as error:
            logging.getLogger(__name__).exception("the provider failed")
            raise Unanswered(grpc.StatusCode.INTERNAL, "the provider failed") from error


class OutOfBounds(Exception):
    """The provider suggested what it does not describe."""


def answered(provider: Provider, question: Question) -> Suggestion | Abstention:
    """Returns the provider's answer, which is in the fields and symbols that it describes. Raises `OutOfBounds`."""
    outcome = provider.suggest(question)
    if isinstance(outcome, Suggestion):
        described = {one.name: one for one in provider.describe().fields}
        if sorted(one.name for one in outcome.fields) != sorted(described):
            raise OutOfBounds("the fields suggested are not the fields described")
        for one in outcome.fields:
            if isinstance(one.value, Symbol) and one.value.name not in described[one.name].symbols:
                raise OutOfBounds(f"`{one.value.name}` is not a symbol of the field `{one.name}`")
    return outcome


def read_question(request: suggestion_pb2.SuggestRequest) -> Question:
    """Returns the question. Raises `Unanswered` with INVALID_ARGUMENT."""
    if found := violations(request):
        raise refusal(found)
    try:
        return wire.question(request)
    except wire.Unreadable as error:
        raise refusal([Violation("sees", str(error))]) from error


def refusal(found: Sequence[Violation]) -> Unanswered:
    status = invalid_argument(found)
    return Unanswered(status.code, status.details, status.trailing_metadata or ())


async def serve(
    add_services: Callable[[grpc.aio.Server], None],
    *,
    listen: str,
    stop: asyncio.Event,
    ready: Callable[[str], None],
    drain: float = DRAIN,
    largest_answer: int = LARGEST_MESSAGE,
    names: Sequence[str] = (SERVICE,),
) -> None:
    """Serves at `listen` (`host:port`, port 0 for a free one) until `stop` is set, then lets calls under way finish.

    `ready` is told the address, with the port that was taken, when calls can come. Health answers for the server and
    for the services of these names, and says NOT_SERVING while it drains. Raises `AddressUnavailable`.
    """
    server = grpc.aio.server(
        maximum_concurrent_rpcs=MOST_CALLS,
        options=[
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.max_send_message_length", largest_answer),
            ("grpc.so_reuseport", 0),  # two agents on one port would share its calls
        ],
    )
    add_services(server)
    state = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    address = bind(server, listen)
    await server.start()
    for service in ("", *names):
        await state.set(service, health_pb2.HealthCheckResponse.SERVING)
    ready(address)
    try:
        await stop.wait()
        await state.enter_graceful_shutdown()
    finally:
        await server.stop(drain)


class AddressUnavailable(Exception):
    """The address is taken, or is none."""


async def serve_until_signalled(
    add_services: Callable[[grpc.aio.Server], None],
    *,
    listen: str,
    largest_answer: int = LARGEST_MESSAGE,
    names: Sequence[str] = (SERVICE,),
) -> None:
    """Serves until SIGTERM or SIGINT, and prints `listening on <address>` when ready."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def ready(address: str) -> None:
        print(f"listening on {address}", flush=True)

    await serve(add_services, listen=listen, stop=stop, ready=ready, largest_answer=largest_answer, names=names)


def bind(server: grpc.aio.Server, listen: str) -> str:
    """Returns the address that the server got. Raises `AddressUnavailable`."""
    host, _ = host_and_port(listen)
    try:
        return f"{host}:{server.add_insecure_port(listen)}"
    except RuntimeError as error:
        raise AddressUnavailable(f"cannot listen on {listen}") from error


def host_and_port(listen: str) -> tuple[str, int]:
    """The parts of an address. gRPC itself would read port 70000 as 4464, and no port as 443."""
    host, _, port = listen.rpartition(":")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise AddressUnavailable(f"`{listen}` is not an address such as 127.0.0.1:0")
    return host, int(port)
