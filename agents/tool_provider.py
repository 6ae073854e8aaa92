"""Serves any `ToolBox` over gRPC: a call has its effect once, however often it comes under its key."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol, TypeAlias, assert_never

import grpc.aio

from charter.agents import wire
from charter.agents.tool import Outcome, Refusal, Result, ToolCall, ToolSchema
from charter.v1 import suggestion_pb2, tools_pb2, tools_pb2_grpc
from charter.v1.validation import Violation, invalid_argument, violations

SERVICE = "charter.v1.ToolProvider"
MOST_KEYS = 10_000
"""Calls that are remembered; the oldest are forgotten first."""

CallContext: TypeAlias = grpc.aio.ServicerContext[tools_pb2.CallRequest, tools_pb2.CallResponse]
DescribeContext: TypeAlias = grpc.aio.ServicerContext[
    tools_pb2.ToolProviderDescribeRequest, tools_pb2.ToolProviderDescribeResponse
]


class ToolBox(Protocol):
    """What carries out calls."""

    @property
    def name(self) -> str:
        """Its name, for people."""

    @property
    def tools(self) -> Sequence[ToolSchema]:
        """What it can be called for."""

    async def call(self, call: ToolCall) -> Outcome:
        """Carries out a call of one of its tools, whose arguments are those of the schema."""


class ToolServicer(tools_pb2_grpc.ToolProviderServicer):
    """Answers calls with what the box says. INVARIANT: the box is called once for each key that is remembered."""

    def __init__(self, box: ToolBox) -> None:
        self._box = box
        self._schemas = {one.name: one for one in box.tools}
        self._calls: OrderedDict[str, asyncio.Task[Outcome]] = OrderedDict()

    async def Describe(
        self,
        request: tools_pb2.ToolProviderDescribeRequest,  # noqa: ARG002  # gRPC's signature
        context: DescribeContext,  # noqa: ARG002
    ) -> tools_pb2.ToolProviderDescribeResponse:
        return tools_pb2.ToolProviderDescribeResponse(
            name=self._box.name, tools=[schema_message(one) for one in self._box.tools]
        )

    async def Call(self, request: tools_pb2.CallRequest, context: CallContext) -> tools_pb2.CallResponse:
        schema = self._schemas.get(request.tool)
        if found := violations(request):
            await refuse(context, found)
        if schema is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"there is no tool `{request.tool}`")
        try:
            call = read_call(request)
        except wire.Unreadable as error:
            await refuse(context, [Violation("arguments", str(error))])
        if sorted(one.name for one in call.arguments) != sorted(one.name for one in schema.arguments):
            names = ", ".join(one.name for one in schema.arguments)
            await refuse(context, [Violation("arguments", f"`{call.tool}` is called with {names}")])
        try:
            outcome = await asyncio.shield(self._once(call))  # a caller that leaves does not undo the call
        except Exception:
            logging.getLogger(__name__).exception("the tool failed")
            await context.abort(grpc.StatusCode.INTERNAL, "the tool failed")
        return response(request.idempotency_key, outcome)

    def _once(self, call: ToolCall) -> "asyncio.Task[Outcome]":
        if call.key not in self._calls:
            self._calls[call.key] = asyncio.create_task(self._box.call(call))
            if len(self._calls) > MOST_KEYS:
                self._calls.popitem(last=False)
        return self._calls[call.key]


def read_call(message: tools_pb2.CallRequest) -> ToolCall:
    """Returns the call; the message keeps the rules of its contract. Raises `wire.Unreadable`."""
    arguments = wire.read_fields(message.arguments.fields)
    return ToolCall(message.idempotency_key, message.tool, arguments, message.conversation_id, message.language)


def response(key: str, outcome: Outcome) -> tools_pb2.CallResponse:
    """Returns the answer to the call of that key."""
    match outcome:
        case Result(fields):
            return tools_pb2.CallResponse(idempotency_key=key, result=wire.write_record(fields))
        case Refusal(reason):
            return tools_pb2.CallResponse(idempotency_key=key, refused=tools_pb2.Refused(reason=reason))
    assert_never(outcome)


def schema_message(schema: ToolSchema) -> tools_pb2.ToolSchema:
    arguments, results = (
        [suggestion_pb2.FieldSchema(name=one.name, type=one.type, symbols=one.symbols) for one in fields]
        for fields in (schema.arguments, schema.results)
    )
    return tools_pb2.ToolSchema(
        name=schema.name,
        arguments=arguments,
        results=results,
        writes=schema.writes,
        idempotent=schema.idempotent,
    )


async def refuse(context: CallContext, found: Sequence[Violation]) -> None:
    status = invalid_argument(found)
    await context.abort(status.code, status.details, status.trailing_metadata)
