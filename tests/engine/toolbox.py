"""Tools of the test policy as a server: in the test's own process, or in one of its own that can be killed.

`python tests/engine/toolbox.py LISTEN LOG` answers every call and appends a line for each to LOG before it answers.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc.aio

from charter.v1 import tools_pb2 as pb
from charter.v1.suggestion_pb2 import FieldSchema
from charter.v1.values_pb2 import Field, Record, Value

Do: TypeAlias = Callable[[pb.CallRequest, "grpc.aio.ServicerContext[Any, Any]"], Awaitable[bytes]]

SCHEMAS = (
    pb.ToolSchema(
        name="find",
        arguments=[FieldSchema(name="phone", type="id")],
        results=[FieldSchema(name="card", type="id")],
    ),
    pb.ToolSchema(
        name="block",
        arguments=[FieldSchema(name="card", type="id")],
        results=[FieldSchema(name="ref", type="id")],
        writes=True,
        idempotent=True,
    ),
    pb.ToolSchema(
        name="pay",
        arguments=[FieldSchema(name="amount", type="int 0..5000")],
        results=[FieldSchema(name="done", type="bool")],
        writes=True,
    ),
)
RESULTS = {"find": ("card", Value(id="k-1")), "block": ("ref", Value(id="r-1")), "pay": ("done", Value(boolean=True))}


def result(request: pb.CallRequest) -> bytes:
    """What a tool returns when all is well."""
    name, value = RESULTS[request.tool]
    record = Record(fields=[Field(name=name, value=value)])
    return pb.CallResponse(idempotency_key=request.idempotency_key, result=record).SerializeToString()


@asynccontextmanager
async def toolbox(do: Do, listen: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """A provider of these tools that does this; its address."""

    async def describe(request: object, context: object) -> pb.ToolProviderDescribeResponse:  # noqa: ARG001  # gRPC's
        return pb.ToolProviderDescribeResponse(name="toolbox", tools=SCHEMAS)

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handlers = {
        "Call": grpc.unary_unary_rpc_method_handler(do, request_deserializer=pb.CallRequest.FromString),
        "Describe": grpc.unary_unary_rpc_method_handler(
            describe,
            request_deserializer=pb.ToolProviderDescribeRequest.FromString,
            response_serializer=pb.ToolProviderDescribeResponse.SerializeToString,
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("charter.v1.ToolProvider", handlers),))
    port = server.add_insecure_port(listen)
    await server.start()
    try:
        yield f"{listen.rpartition(':')[0]}:{port}"
    finally:
        await server.stop(0)


async def _main(listen: str, log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def do(request: pb.CallRequest, context: object) -> bytes:  # noqa: ARG001  # gRPC's signature
        os.write(descriptor, f"{request.tool} {request.idempotency_key}\n".encode())
        await asyncio.sleep(0.005)
        return result(request)

    async with toolbox(do, listen) as address:
        print(f"listening on {address}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
