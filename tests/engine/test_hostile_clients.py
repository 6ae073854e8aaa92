"""What clients may send that no client should: each gets its error, nothing is recorded, and the server goes on."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import grpc.aio
import pytest
from serving import Server, says, start
from test_server import Error, error, new, serving

from charter.v1 import conversations_pb2 as pb

CUT = pb.TurnRequest(conversation_id="7b0d9f5e-3c7e-4f63-9d67-3d9a2f6f6b11").SerializeToString()[:-3]
BAD_TEXT = pb.TurnRequest(conversation_id="xx").SerializeToString().replace(b"xx", b"\xff\xfe")
NO_MESSAGES = {"noise": b"\xff\xff\xff", "a message cut off": CUT, "a text that is not UTF-8": BAD_TEXT}
PLAIN = "the bytes are no message of the contract, or a text among them is not UTF-8"


async def events(at: Server, conversation: str) -> int:
    """How many events of a conversation are on record."""
    found = await at.stub.GetConversation(pb.GetConversationRequest(conversation_id=conversation))
    return found.events


async def hours(at: Server, conversation: str) -> list[str]:
    answer = await at.stub.Turn(says(conversation, "When are you open?"))
    return [act.say.name for act in answer.acts]


@pytest.mark.parametrize("bytes_", NO_MESSAGES.values(), ids=NO_MESSAGES)
@pytest.mark.parametrize("method", ["Turn", "GetConversation", "Explain"])
async def test_bytes_that_are_no_message_are_an_invalid_argument(tmp_path: Path, method: str, bytes_: bytes) -> None:
    async with serving(tmp_path) as at:
        call = at.channel.unary_unary(f"/charter.v1.Conversations/{method}", bytes, bytes)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(bytes_)
        assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, PLAIN)


@pytest.mark.parametrize("bytes_", NO_MESSAGES.values(), ids=NO_MESSAGES)
async def test_bytes_that_are_no_message_end_a_stream_once_what_came_before_is_answered(
    tmp_path: Path, bytes_: bytes
) -> None:
    wrapped = pb.ConverseRequest(turn=pb.TurnRequest()).SerializeToString()[:-1] + bytes([len(bytes_)]) + bytes_
    async with serving(tmp_path) as at:
        name = new()
        before, after = (
            pb.ConverseRequest(turn=one).SerializeToString() for one in (start(name), says(name, "When are you open?"))
        )
        open_stream = at.channel.stream_stream(
            "/charter.v1.Conversations/Converse", bytes, pb.ConverseResponse.FromString
        )
        stream = open_stream(iter([before, wrapped, after]))
        heard = [(await stream.read()).WhichOneof("kind") for _ in range(2)]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stream.read()
        assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, PLAIN)
        assert heard == ["step", "answer"]
        assert await events(at, name) == 1
        assert await hours(at, name) == ["opening_hours"]


async def test_a_flood_of_calls_that_are_cancelled_loses_nothing_and_the_server_answers_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        names = [new() for _ in range(40)]
        await asyncio.gather(*(at.stub.Turn(start(name)) for name in names))
        requests = [says(name, "When are you open?") for name in names]
        for after_ms in (0, 1, 5, 20):
            calls = [at.stub.Turn(request) for request in requests]
            streams = [at.stub.Converse(iter([pb.ConverseRequest(turn=request)])) for request in requests]
            await asyncio.sleep(after_ms / 1000)
            for call in (*calls, *streams):
                call.cancel()
        answers = await asyncio.gather(*(at.stub.Turn(request) for request in requests))
        assert [[act.say.name for act in answer.acts] for answer in answers] == [["opening_hours"]] * len(names)
        assert {await events(at, name) for name in names} == {3}  # start, utterance, classify: each once


ODD: dict[str, Sequence[tuple[str, str | bytes]]] = {
    "bytes": [("trace-bin", b"\xff\x00\xfe")],
    "an empty value": [("tenant", "")],
    "one key many times": [("tenant", "a")] * 100,
    "a long value": [("tenant", "a" * 7000)],
    "what gRPC itself sets": [("grpc-timeout", "-1S"), ("te", "x"), ("content-type", "text/plain"), ("user-agent", "")],
    "an encoding that is none": [("grpc-encoding", "x"), ("grpc-accept-encoding", "")],
    "attempts that are no number": [("grpc-previous-rpc-attempts", "x")],
}


@pytest.mark.parametrize("metadata", ODD.values(), ids=ODD)
async def test_odd_metadata_changes_nothing(tmp_path: Path, metadata: Sequence[tuple[str, str | bytes]]) -> None:
    async with serving(tmp_path) as at:
        name = new()
        assert len((await at.stub.Turn(start(name), metadata=metadata)).acts) == 2
        assert await hours(at, name) == ["opening_hours"]


async def test_metadata_beyond_all_bounds_is_refused_and_nothing_is_recorded(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        name = new()
        refused = await error(at.stub.Turn(start(name), metadata=[("tenant", "a" * 20_000)]))
        assert refused == Error(grpc.StatusCode.RESOURCE_EXHAUSTED, [], "", False)
        assert (await error(events(at, name))).reason == "CONVERSATION_UNKNOWN"
        await at.stub.Turn(start(name))
        assert await hours(at, name) == ["opening_hours"]
