"""Asks agents over gRPC. Whatever an agent does, a question is answered once, in time, and in the declared schema."""

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

import grpc.aio
from google.protobuf.message import DecodeError

from charter.dsl.program import Agent
from charter.dsl.types import EnumType, OptionalType, Value
from charter.dsl.values import Misfit
from charter.engine.asks import Ask, Attempt, Failed, Reason, Suggested
from charter.engine.messages import from_record
from charter.v1 import suggestion_pb2
from charter.v1.validation import violations

MAX_ANSWER_BYTES = 65_536
DESCRIBE_SECONDS = 2.0

_SUGGEST = "/charter.v1.SuggestionProvider/Suggest"
_DESCRIBE = "/charter.v1.SuggestionProvider/Describe"
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    # An agent that comes back is used again within a second; by default gRPC waits for up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
)


class GrpcAgents:
    """The agents of a deployment, each behind its address. Closing it ends every question as it stands."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def __aenter__(self) -> Self:
        """From here on agents can be asked; they are connected to when first asked."""
        for name, address in self._addresses.items():
            self._channels[name] = grpc.aio.insecure_channel(address, _OPTIONS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(channel.close(None) for channel in self._channels.values()))

    async def ask(self, ask: Ask) -> Suggested | Failed:
        """The suggestion of the first agent of the chain that has a valid one in time."""
        attempts: list[Attempt] = []
        reason = Reason.ERROR
        for agent in ask.chain:
            loop = asyncio.get_running_loop()
            began = loop.time()
            answer = await self._suggestion(ask, agent, within=min(agent.within / 1000, ask.until - began))
            took = (loop.time() - began) * 1000
            if not isinstance(answer, _No):
                attempts.append(Attempt(agent.name, None, "", took))
                return Suggested(answer, tuple(attempts))
            attempts.append(Attempt(agent.name, answer.reason, answer.detail, took))
            reason = answer.reason
        return Failed(reason, tuple(attempts))

    async def complaints(self, agents: Iterable[Agent]) -> list[str]:
        """What an operator should know before the first turn: agents without address, down, or of another schema."""
        found = await asyncio.gather(*(self._complaints(agent) for agent in agents))
        return [complaint for complaints in found for complaint in complaints]

    async def _suggestion(self, ask: Ask, agent: Agent, *, within: float) -> "Mapping[str, Value] | _No":
        channel = self._channels.get(agent.name)
        if channel is None:
            return _No(Reason.ERROR, "the deployment gives no address")
        if within <= 0:
            return _No(Reason.LATE, "no time was left to ask")
        request = suggestion_pb2.SuggestRequest(
            request_id=ask.id, agent=agent.name, utterance=ask.utterance, language=ask.language
        )
        # The answer is parsed by us and not by gRPC, which reports bytes that are no message as an error of its own.
        call = channel.unary_unary(
            _SUGGEST,
            request_serializer=suggestion_pb2.SuggestRequest.SerializeToString,
            response_deserializer=bytes,
        )
        try:
            answer = await call(request, timeout=within)
        except grpc.aio.AioRpcError as error:
            return _no(error)
        return _parsed(ask, answer)

    async def _complaints(self, agent: Agent) -> list[str]:
        channel, address = self._channels.get(agent.name), self._addresses.get(agent.name)
        if channel is None:
            return [f"agent `{agent.name}` has no address: its asks fail"]
        call = channel.unary_unary(
            _DESCRIBE,
            request_serializer=suggestion_pb2.DescribeRequest.SerializeToString,
            response_deserializer=suggestion_pb2.DescribeResponse.FromString,
        )
        try:
            described = await call(suggestion_pb2.DescribeRequest(), timeout=DESCRIBE_SECONDS)
        except grpc.aio.AioRpcError as error:
            return [f"agent `{agent.name}` at {address} does not answer ({error.code().name}): its asks fail"]
        return [f"agent `{agent.name}` at {address} {what}" for what in _mismatches(agent, described.fields)]


class _No:
    """Why one agent had no suggestion."""

    __slots__ = ("detail", "reason")

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail


def _no(error: grpc.aio.AioRpcError) -> _No:
    detail = f"{error.code().name}: {error.details()}"[:200]
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return _No(Reason.LATE, detail)
    # gRPC's own words for an answer over the limit; a busy agent uses the same code with others.
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in (error.details() or ""):
        return _No(Reason.INVALID, detail)
    return _No(Reason.ERROR, detail)


def _parsed(ask: Ask, answer: bytes) -> Mapping[str, Value] | _No:
    try:
        response = suggestion_pb2.SuggestResponse.FromString(answer)
    except DecodeError:
        return _No(Reason.INVALID, "the answer is no SuggestResponse")
    if broken := violations(response):
        return _No(Reason.INVALID, f"{broken[0].field}: {broken[0].description}")
    if response.request_id != ask.id:
        return _No(Reason.INVALID, "the answer is to another question")
    if response.WhichOneof("outcome") == "abstention":
        return _No(Reason.ERROR, f"abstained: {response.abstention.reason}"[:200])
    try:
        return from_record(response.suggestion, ask.chain[0].fields, "suggestion")
    except Misfit as misfit:
        return _No(Reason.INVALID, str(misfit))


def _mismatches(agent: Agent, described: Iterable[suggestion_pb2.FieldSchema]) -> list[str]:
    """How the schema that a provider describes differs from the one that the policy declares."""
    offered, fields = {field.name: field for field in described}, dict(agent.fields)
    found = [f"suggests `{name}`, which the policy does not declare" for name in offered if name not in fields]
    for name, type_ in fields.items():
        field = offered.get(name)
        if field is None and name not in agent.defaults and not isinstance(type_, OptionalType):
            found.append(f"does not suggest `{name}`")
        if field is not None and isinstance(type_, EnumType):
            foreign = [symbol for symbol in field.symbols if symbol not in type_.values]
            found.extend(f"suggests `{symbol}` as `{name}`, which is no `{type_.name}`" for symbol in foreign)
    return found
