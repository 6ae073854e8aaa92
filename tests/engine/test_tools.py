"""Tools over gRPC: whatever they do, it is known whether a call happened, did not happen, or may have."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from bank import BANK
from serving import checked
from test_suggestions import free_port
from toolbox import result, toolbox

from charter.dsl.program import Program, Tool
from charter.dsl.types import Value
from charter.engine.conversation.asks import Reason
from charter.engine.conversation.calls import Call, Called, NotDone, Returned, Unsure
from charter.engine.providers.tools import GrpcTools
from charter.engine.store import ConversationId, IdempotencyKey
from charter.v1 import tools_pb2 as pb
from charter.v1.values_pb2 import Field, Record
from charter.v1.values_pb2 import Value as Message

ARGS: Mapping[str, Mapping[str, Value]] = {"find": {"phone": "+49"}, "block": {"card": "k"}, "pay": {"amount": 7}}
CONVERSATION = ConversationId("8a0f7e0e-4a0c-4d0a-9c55-000000000001")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    folder: Path = tmp_path_factory.mktemp("bank")
    return checked(folder, BANK)


def call(program: Program, tool: str) -> Call:
    key = IdempotencyKey(f"{CONVERSATION}/3/0")
    return Call(key=key, tool=program.tools[tool], args=ARGS[tool], conversation=CONVERSATION, language="en")


def reason(called: Called) -> tuple[type[Called], Reason | None]:
    """How a call ended, and the reason that is on record."""
    (attempt,) = called.attempts
    return type(called), attempt.failed


async def test_a_call_carries_its_key_and_its_arguments_and_brings_the_result(program: Program) -> None:
    seen: list[pb.CallRequest] = []

    async def do(request: pb.CallRequest, context: object) -> bytes:  # noqa: ARG001  # gRPC's signature
        seen.append(request)
        return result(request)

    async with toolbox(do) as address, GrpcTools({"*": address}) as tools:
        called = await tools.call(call(program, "pay"))
        assert isinstance(called, Returned)
        assert called.fields == {"done": True}
        (request,) = seen
        assert request.idempotency_key == f"{CONVERSATION}/3/0"
        assert (request.tool, request.conversation_id, request.language) == ("pay", CONVERSATION, "en")
        assert request.within.ToMilliseconds() == 300
        assert list(request.arguments.fields) == [Field(name="amount", value=Message(integer=7))]


def _response(**fields: Any) -> bytes:
    return pb.CallResponse(**fields).SerializeToString()


def _result(*fields: Field, key: str = f"{CONVERSATION}/3/0") -> bytes:
    return _response(idempotency_key=key, result=Record(fields=fields))


ODD: Mapping[str, bytes] = {
    "garbage": b"\xff",
    "nothing": b"",
    "no outcome": _response(idempotency_key=f"{CONVERSATION}/3/0"),
    "another call's": _result(Field(name="done", value=Message(boolean=True)), key="another"),
    "an empty result": _result(),
    "a field too many": _result(Field(name="done", value=Message(boolean=True)), Field(name="more")),
    "a wrong type": _result(Field(name="done", value=Message(decimal="NaN"))),
    "a field twice": _result(*[Field(name="done", value=Message(boolean=True))] * 2),
    "ten megabytes": _result(Field(name="done", value=Message(text="x" * 10_000_000))),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("tool", ["find", "pay"])
async def test_an_answer_that_cannot_be_used_is_a_failed_read_and_an_uncertain_write(
    program: Program, tool: str, odd: str
) -> None:
    async def do(request: object, context: object) -> bytes:  # noqa: ARG001  # gRPC's signature
        return ODD[odd]

    async with toolbox(do) as address, GrpcTools({tool: address}) as tools:
        called = await tools.call(call(program, tool))
        assert reason(called) == (NotDone if tool == "find" else Unsure, Reason.INVALID)


async def test_a_call_that_cannot_be_made_is_known_not_to_have_happened_before_it_is_late(program: Program) -> None:
    async with GrpcTools({"*": f"127.0.0.1:{free_port()}"}) as tools:
        async with asyncio.timeout(program.tools["pay"].within / 1000):
            called = await tools.call(call(program, "pay"))
        assert reason(called) == (NotDone, Reason.ERROR)


@pytest.mark.parametrize(
    ("code", "happened"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, False),
        (grpc.StatusCode.PERMISSION_DENIED, False),
        (grpc.StatusCode.UNIMPLEMENTED, False),
        (grpc.StatusCode.INTERNAL, None),
        (grpc.StatusCode.UNAVAILABLE, None),
        (grpc.StatusCode.UNKNOWN, None),
    ],
)
async def test_an_error_tells_whether_the_call_was_carried_out(
    program: Program, code: grpc.StatusCode, happened: bool | None
) -> None:
    async def do(request: object, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:  # noqa: ARG001  # gRPC's
        await context.abort(code, "no")

    async with toolbox(do) as address, GrpcTools({"*": address}) as tools:
        assert reason(await tools.call(call(program, "find"))) == (NotDone, Reason.ERROR)
        written = NotDone if happened is False else Unsure
        assert reason(await tools.call(call(program, "pay"))) == (written, Reason.ERROR)


async def test_a_refusal_did_not_happen(program: Program) -> None:
    async def do(request: pb.CallRequest, context: object) -> bytes:  # noqa: ARG001  # gRPC's signature
        return _response(idempotency_key=request.idempotency_key, refused=pb.Refused(reason="no money"))

    async with toolbox(do) as address, GrpcTools({"*": address}) as tools:
        called = await tools.call(call(program, "pay"))
        assert reason(called) == (NotDone, Reason.ERROR)
        assert called.attempts[0].detail == "refused: no money"


async def test_a_call_that_never_left_did_not_happen(program: Program) -> None:
    async with GrpcTools({"block": f"127.0.0.1:{free_port()}"}) as tools:
        assert reason(await tools.call(call(program, "block"))) == (NotDone, Reason.ERROR)  # nobody listens
        assert reason(await tools.call(call(program, "pay"))) == (NotDone, Reason.ERROR)  # no address


async def test_a_call_whose_tool_dies_may_have_happened(program: Program) -> None:
    asked = asyncio.Event()

    async def do(request: object, context: object) -> bytes:  # noqa: ARG001  # gRPC's signature
        asked.set()
        await asyncio.Event().wait()
        return b""

    async with GrpcTools({"*": f"127.0.0.1:{(port := free_port())}"}) as tools:
        async with toolbox(do, f"127.0.0.1:{port}"):
            calling = asyncio.create_task(tools.call(call(program, "pay")))
            await asked.wait()
        assert reason(await calling) == (Unsure, Reason.ERROR)


async def test_an_operator_is_told_what_will_fail(program: Program) -> None:
    async def do(request: object, context: object) -> bytes:  # noqa: ARG001  # gRPC's signature
        return b""

    tool = program.tools["pay"]
    other: list[Tool] = [
        program.tools["find"],
        replace(tool, name="block", args=tool.args, idempotent=False),
        replace(tool, idempotent=True),
        replace(tool, name="unknown"),
        replace(tool, name="down"),
    ]
    down = f"127.0.0.1:{free_port()}"
    async with toolbox(do) as address, GrpcTools({"*": address, "down": down}) as tools:
        assert await tools.complaints(other) == [
            f"tool `block` at {address} takes `card`, which the policy does not declare",
            f"tool `block` at {address} does not take `amount`",
            f"tool `block` at {address} returns `ref`, which the policy does not declare",
            f"tool `block` at {address} does not return `done`",
            f"tool `pay` at {address} is not idempotent, and the policy says that it is",
            f"tool `unknown` at {address} is not offered there: its calls fail",
            f"tool `down` at {down} does not answer (UNAVAILABLE): its calls fail",
        ]
    async with GrpcTools({}) as tools:
        assert await tools.complaints(other[:1]) == ["tool `find` has no address: its calls fail"]
