"""The conformance kit of tool providers; see `conformance.py`."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Iterable

import grpc.aio

from charter.agents.conformance import (
    AT_ONCE,
    OVERSIZED,
    PATIENCE,
    Finding,
    found,
    message,
    refused,
    well,
)
from charter.agents.described import bounds_of, misdescribed, misfitting
from charter.agents.tool_provider import SERVICE
from charter.v1 import suggestion_pb2, tools_pb2_grpc
from charter.v1 import tools_pb2 as pb
from charter.v1.validation import violations
from charter.v1.values_pb2 import Field, Record, Value

NOT_DONE = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
)
"""The errors that say that a call was not carried out; see the contract."""


async def check_tools(channel: grpc.aio.Channel, *, within: float, writes: bool) -> AsyncIterator[Finding]:
    """Every claim about a `ToolProvider`; each single answer may take `within` seconds.

    With `writes`, the tools that write are called too, with made-up arguments.
    """
    called = Called(tools_pb2_grpc.ToolProviderStub(channel), within, writes)
    for claim, check in (
        ("it describes its tools, the same way each time", called.describes),
        ("it answers calls within the deadline, in the fields that it describes", called.answers),
        ("it gives a repeated call its first answer", called.repeats),
        ("it refuses a call without a key", called.keyless),
        ("it refuses a tool that it does not have, and says that nothing happened", called.unknown),
        ("it refuses arguments that a tool does not have", called.misfits),
        ("it refuses a call that is too long", called.oversized),
        (f"it answers {AT_ONCE} calls at once, each with its own key", called.at_once),
        ("it says that it is well", lambda: well(channel, SERVICE, within)),
    ):
        yield Finding(claim, await found(check))


class Called:
    """A tool provider that is being called."""

    def __init__(self, stub: tools_pb2_grpc.ToolProviderStub, within: float, writes: bool) -> None:
        self._stub, self._within, self._writes = stub, within, writes

    async def describes(self) -> str:
        one, two = [await self._described() for _ in range(2)]
        if one != two:
            return "it described itself in two ways"
        if not one.name or not one.tools:
            return "it has no name, or no tools"
        fields = [field for tool in one.tools for field in (*tool.arguments, *tool.results)]
        return next((why for field in fields if (why := misdescribed(field))), "")

    async def answers(self) -> str:
        for tool in await self._callable():
            request = call(tool)
            if why := misfit(await self._stub.Call(request, timeout=self._within), request, tool.results):
                return f"`{tool.name}`: {why}"
        return ""

    async def repeats(self) -> str:
        for tool in await self._callable():
            request = call(tool)
            one, two = [await self._stub.Call(request, timeout=self._within) for _ in range(2)]
            if tool.idempotent and one != two:
                return f"`{tool.name}` answered one call in two ways"
        return ""

    async def keyless(self) -> str:
        request = call(pb.ToolSchema(name="conformance"))
        request.idempotency_key = ""
        return await refused(self._stub.Call(request, timeout=self._within), grpc.StatusCode.INVALID_ARGUMENT)

    async def unknown(self) -> str:
        request = call(pb.ToolSchema(name="no_such_tool"))
        return await refused(self._stub.Call(request, timeout=self._within), *NOT_DONE)

    async def misfits(self) -> str:
        for tool in (await self._described()).tools:
            request = call(tool)
            request.arguments.fields.add(name="no_such_argument").value.boolean = True
            if why := await refused(self._stub.Call(request, timeout=self._within), *NOT_DONE):
                return f"`{tool.name}`: {why}"
        return ""

    async def oversized(self) -> str:
        request = call(pb.ToolSchema(name="no_such_tool"))
        request.arguments.fields.add(name="padding").value.text = OVERSIZED
        return await refused(
            self._stub.Call(request, timeout=self._within), *NOT_DONE, grpc.StatusCode.RESOURCE_EXHAUSTED
        )

    async def at_once(self) -> str:
        tools = list(await self._callable())[:1]
        for tool in tools:
            requests = [call(tool) for _ in range(AT_ONCE)]
            calls = [self._stub.Call(request, timeout=self._within * PATIENCE) for request in requests]
            pairs = zip(await asyncio.gather(*calls), requests, strict=True)
            return next((why for answer, request in pairs if (why := misfit(answer, request, tool.results))), "")
        return ""

    async def _described(self) -> pb.ToolProviderDescribeResponse:
        return message(await self._stub.Describe(pb.ToolProviderDescribeRequest(), timeout=self._within))

    async def _callable(self) -> Iterable[pb.ToolSchema]:
        return [tool for tool in (await self._described()).tools if self._writes or not tool.writes]


def call(tool: pb.ToolSchema) -> pb.CallRequest:
    """Returns a call with made-up arguments."""
    return pb.CallRequest(
        idempotency_key=str(uuid.uuid4()),
        tool=tool.name,
        arguments=Record(fields=[Field(name=one.name, value=made_up(one)) for one in tool.arguments]),
        conversation_id=str(uuid.uuid4()),
        language="en",
    )


def made_up(field: suggestion_pb2.FieldSchema) -> Value:
    """Returns a value of the field's type; an unknown one where the type is not understood."""
    bounds = bounds_of(field.type)
    lowest = str(bounds[0] if bounds else 0)
    match re.split(r"[ (?]", field.type)[0]:
        case "id":
            return Value(id="conformance")
        case "text":
            return Value(text="conformance")
        case "bool":
            return Value(boolean=False)
        case "int":
            return Value(integer=int(lowest))
        case "decimal":
            return Value(decimal=lowest)
        case "enum" if field.symbols:
            return Value(symbol=field.symbols[0])
        case _:
            return Value()


def misfit(answer: pb.CallResponse, request: pb.CallRequest, described: Iterable[suggestion_pb2.FieldSchema]) -> str:
    """Returns what is wrong with an answer; a refusal is an answer. Raises `NoMessage`."""
    if message(answer).idempotency_key != request.idempotency_key:
        return f"the answer is to `{answer.idempotency_key}`, which was not the call"
    if broken := violations(answer):
        return f"{broken[0].field}: {broken[0].description}"
    return misfitting(answer.result.fields, described) if answer.HasField("result") else ""
