"""Calls tools over gRPC. Whatever a tool does, it is known whether the call happened, did not happen, or may have."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

import grpc.aio
from google.protobuf.message import DecodeError

from charter.dsl.program import Tool
from charter.dsl.types import EnumType, OptionalType, Type, Value
from charter.dsl.values import Misfit
from charter.engine.conversation.asks import Attempt, Reason
from charter.engine.conversation.calls import Call, Called, NotDone, Returned, Unsure
from charter.engine.conversation.messages import duration, from_record, to_fields
from charter.engine.conversation.work import SETTLE_SECONDS
from charter.engine.providers.suggestions import CHANNEL_OPTIONS, DESCRIBE_SECONDS, unread
from charter.v1 import suggestion_pb2, tools_pb2, values_pb2
from charter.v1.validation import violations

CONNECT_SECONDS = 1.0
"""How long a connection may take before a call counts as not made; half of the tool's time, where that is less."""

_CALL = "/charter.v1.ToolProvider/Call"
_DESCRIBE = "/charter.v1.ToolProvider/Describe"
_NOT_DONE = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""The errors by which a tool says that a call was not carried out; see the contract."""


class GrpcTools:
    """The tools of a deployment, each behind its own address or that of `*`; one address is one connection."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def __aenter__(self) -> Self:
        """From here on tools can be called; they are connected to when first called."""
        for address in set(self._addresses.values()):
            self._channels[address] = grpc.aio.insecure_channel(address, CHANNEL_OPTIONS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(channel.close(None) for channel in self._channels.values()))

    async def call(self, call: Call) -> Called:
        """See `charter.engine.conversation.ports.Tools`."""
        began = time.perf_counter()
        answer = await self._call(call)
        took = (time.perf_counter() - began) * 1000

        def attempt(failed: Reason | None, detail: str) -> tuple[Attempt, ...]:
            return (Attempt(call.tool.name, failed, detail[:200], took),)

        if isinstance(answer, _No):
            attempts = attempt(answer.reason, answer.detail)
            if answer.happened is False or not call.tool.writes:
                return NotDone(answer.reason, attempts)
            return Unsure(attempts)
        return Returned(answer, attempt(None, ""))

    async def complaints(self, tools: Iterable[Tool]) -> list[str]:
        """What an operator should know before the first turn: tools without address, down, or of another schema."""
        found = await asyncio.gather(*(self._complaints(tool) for tool in tools))
        return [complaint for complaints in found for complaint in complaints]

    async def _call(self, call: Call) -> "Mapping[str, Value] | _No":
        channel = self._channel(call.tool)
        if channel is None:
            return _No(Reason.ERROR, "the deployment gives no address", happened=False)
        if not await _connected(channel, min(CONNECT_SECONDS, call.tool.within / 2000)):
            return _No(Reason.ERROR, "no connection: the call was not made", happened=False)
        calling = channel.unary_unary(
            _CALL, request_serializer=tools_pb2.CallRequest.SerializeToString, response_deserializer=unread
        )
        try:
            answer = await calling(_request(call), timeout=call.tool.within / 1000 + SETTLE_SECONDS)
        except grpc.aio.AioRpcError as error:
            return _no(error)
        return _parsed(call, answer)

    def _channel(self, tool: Tool) -> grpc.aio.Channel | None:
        return self._channels.get(self._address(tool) or "")

    def _address(self, tool: Tool) -> str | None:
        return self._addresses.get(tool.name) or self._addresses.get("*")

    async def _complaints(self, tool: Tool) -> list[str]:
        channel, address = self._channel(tool), self._address(tool)
        if channel is None:
            return [f"tool `{tool.name}` has no address: its calls fail"]
        call = channel.unary_unary(
            _DESCRIBE,
            request_serializer=tools_pb2.ToolProviderDescribeRequest.SerializeToString,
            response_deserializer=tools_pb2.ToolProviderDescribeResponse.FromString,
        )
        try:
            described = await call(tools_pb2.ToolProviderDescribeRequest(), timeout=DESCRIBE_SECONDS)
        except grpc.aio.AioRpcError as error:
            return [f"tool `{tool.name}` at {address} does not answer ({error.code().name}): its calls fail"]
        offered = next((one for one in described.tools if one.name == tool.name), None)
        if offered is None:
            return [f"tool `{tool.name}` at {address} is not offered there: its calls fail"]
        return [f"tool `{tool.name}` at {address} {what}" for what in _mismatches(tool, offered)]


class _No:
    """Why there is no result; `happened` is False where the call was certainly not carried out, else None."""

    __slots__ = ("detail", "happened", "reason")

    def __init__(self, reason: Reason, detail: str, *, happened: bool | None = None) -> None:
        self.reason, self.detail, self.happened = reason, detail, happened


async def _connected(channel: grpc.aio.Channel, within: float) -> bool:
    """Whether calls can leave. Once a call has left, an error tells nothing about whether it arrived."""
    state = channel.get_state(try_to_connect=True)
    if state is grpc.ChannelConnectivity.READY:
        return True
    try:
        async with asyncio.timeout(within):
            while state is not grpc.ChannelConnectivity.READY:
                await channel.wait_for_state_change(state)
                state = channel.get_state(try_to_connect=True)
    except TimeoutError:
        return False
    return True


def _request(call: Call) -> tools_pb2.CallRequest:
    return tools_pb2.CallRequest(
        idempotency_key=call.key,
        tool=call.tool.name,
        arguments=values_pb2.Record(fields=to_fields(call.args, call.tool.args)),
        conversation_id=call.conversation,
        language=call.language,
        within=duration(call.tool.within),
    )


def _no(error: grpc.aio.AioRpcError) -> _No:
    detail = f"{error.code().name}: {error.details()}"
    if error.code() in _NOT_DONE:
        return _No(Reason.ERROR, detail, happened=False)
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return _No(Reason.LATE, detail)
    # gRPC's own words for an answer over the limit: the call was carried out, and nobody knows what it returned.
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in (error.details() or ""):
        return _No(Reason.INVALID, detail)
    return _No(Reason.ERROR, detail)


def _parsed(call: Call, answer: bytes) -> "Mapping[str, Value] | _No":
    try:
        response = tools_pb2.CallResponse.FromString(answer)
    except DecodeError:
        return _No(Reason.INVALID, "the answer is no CallResponse")
    if broken := violations(response):
        return _No(Reason.INVALID, f"{broken[0].field}: {broken[0].description}")
    if response.idempotency_key != call.key:
        return _No(Reason.INVALID, "the answer is to another call")
    if response.WhichOneof("outcome") == "refused":
        return _No(Reason.ERROR, f"refused: {response.refused.reason}", happened=False)
    try:
        return from_record(response.result.fields, results_of(call.tool), "result")
    except Misfit as misfit:
        return _No(Reason.INVALID, str(misfit))


def results_of(tool: Tool) -> tuple[tuple[str, Type], ...]:
    """What a tool returns beyond the arguments that its answer repeats."""
    args = dict(tool.args)
    return tuple((name, type_) for name, type_ in tool.returns if name not in args)


def _mismatches(tool: Tool, offered: tools_pb2.ToolSchema) -> list[str]:
    """How the schema that a provider describes differs from the one that the policy declares."""
    found = list(_fields(tool.args, offered.arguments, "takes"))
    found += _fields(results_of(tool), offered.results, "returns")
    if tool.writes != offered.writes:
        found.append(f"{'only reads' if tool.writes else 'writes'}, and the policy says otherwise")
    if tool.idempotent and not offered.idempotent:
        found.append("is not idempotent, and the policy says that it is")
    return found


def _fields(
    declared: Iterable[tuple[str, Type]], described: Iterable[suggestion_pb2.FieldSchema], verb: str
) -> Iterable[str]:
    types, offered = dict(declared), {field.name: field for field in described}
    for name in offered:
        if name not in types:
            yield f"{verb} `{name}`, which the policy does not declare"
    for name, type_ in types.items():
        field = offered.get(name)
        if field is None and not isinstance(type_, OptionalType):
            yield f"does not {verb.removesuffix('s')} `{name}`"
        if field is not None and isinstance(type_, EnumType):
            for symbol in field.symbols:
                if symbol not in type_.values:
                    yield f"{verb} `{symbol}` as `{name}`, which is no `{type_.name}`"
