"""A server takes on what its limits say; what is more is told to come again, changes nothing, and is taken then."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from serving import CARD_SUPPORT, KEY, Server, checked, says, scripted_agent, server, start
from test_server import HANG, HOURS, Error, error, new

from charter.engine.audit import verify
from charter.engine.deployment import Limits
from charter.v1 import conversations_pb2 as pb

SLOW = CARD_SUPPORT.replace("within 300 ms", "within 2 s")
FULL = Error(grpc.StatusCode.RESOURCE_EXHAUSTED, [], "SERVER_OVERLOADED", True)


@asynccontextmanager
async def limited(folder: Path, limits: Limits) -> AsyncIterator[Server]:
    """A server with these limits; its agent never answers to "hm"."""
    program = checked(folder / "policy", SLOW)
    async with (
        scripted_agent(folder, HOURS, HANG) as address,
        server(program, folder / "charter.db", {"classify": address}, limits=limits) as running,
    ):
        yield running
    assert verify(f"sqlite:///{folder / 'charter.db'}", KEY).intact


async def begun(at: Server) -> str:
    name = new()
    await at.stub.Turn(start(name))
    return name


async def events(at: Server, name: str) -> int:
    return (await at.stub.GetConversation(pb.GetConversationRequest(conversation_id=name))).events


async def test_a_request_too_many_is_refused_and_taken_when_it_comes_again(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(requests=2)) as at:
        names = [await begun(at) for _ in range(3)]
        requests = [says(name, "hm") for name in names[:2]]
        under_way = [asyncio.create_task(_turn(at, one)) for one in requests]
        while any([await events(at, name) < 2 for name in names[:2]]):
            pass
        late = says(names[2], "When are you open?")
        assert await error(at.stub.Turn(late)) == FULL
        assert await events(at, names[2]) == 1
        again = await at.stub.Turn(requests[0])  # it is under way: it is no request more
        assert again == await under_way[0]
        await under_way[1]
        assert [act.say.name for act in (await at.stub.Turn(late)).acts] == ["opening_hours"]


async def test_a_caller_that_left_still_has_its_place_until_its_turn_is_over(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(requests=1)) as at:
        one, other = await begun(at), await begun(at)
        left = at.stub.Turn(says(one, "hm"))
        while await events(at, one) < 2:
            pass
        left.cancel()
        assert await error(at.stub.Turn(says(other, "When are you open?"))) == FULL


async def test_a_flood_is_answered_at_once_and_not_queued(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(requests=5)) as at:
        names = [await begun(at) for _ in range(5)]
        under_way = [asyncio.create_task(_turn(at, says(name, "hm"))) for name in names]
        while any([await events(at, name) < 2 for name in names]):
            pass
        refused = await asyncio.gather(*(error(at.stub.Turn(start(new()))) for _ in range(200)))
        assert refused == [FULL] * 200
        assert not any(one.done() for one in under_way)
        await asyncio.gather(*under_way)
        await begun(at)


async def test_thousands_of_calls_at_once_are_each_answered_or_told_to_come_again(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(requests=50)) as at:
        calls = (_turn(at, start(new())) for _ in range(2_000))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        codes = Counter(one.code() for one in answers if isinstance(one, grpc.aio.AioRpcError))
        taken = sum(isinstance(one, pb.TurnResponse) for one in answers)
        assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED: 2_000 - taken}
        assert taken >= 50


async def test_a_request_too_many_on_a_stream_is_a_refusal_to_be_repeated(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(requests=1)) as at:
        one, other = await begun(at), await begun(at)
        under_way = asyncio.create_task(_turn(at, says(one, "hm")))
        while await events(at, one) < 2:
            pass
        late = pb.ConverseRequest(turn=says(other, "When are you open?"))
        (heard,) = [said async for said in at.stub.Converse(iter([late]))]
        refusal = heard.refusal
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], "SERVER_OVERLOADED")
        assert refusal.retry_after.ToMilliseconds() > 0
        await under_way


async def test_a_stream_too_many_is_refused_and_one_that_ended_makes_room(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(streams=1)) as at:
        name = await begun(at)
        follow = pb.ConverseRequest(follow=pb.Follow(conversation_id=name))
        first = at.stub.Converse(None)
        await first.write(follow)
        await first.read()
        second = at.stub.Converse(None)
        assert await error(second.read()) == FULL
        await first.done_writing()
        assert await first.code() is grpc.StatusCode.OK
        third = at.stub.Converse(None)
        await third.write(follow)
        assert (await third.read()).HasField("step")
        third.cancel()
        while True:  # the server hears of it a moment later
            fourth = at.stub.Converse(None)
            try:
                await fourth.write(follow)
                assert (await fourth.read()).HasField("step")
                break
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.01)
        fourth.cancel()


async def test_a_turn_takes_as_long_as_the_deployment_says(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(turn_ms=500)) as at:
        name = await begun(at)
        request = says(name, "When are you open?")
        slow = says(name, "hm")
        began = asyncio.get_running_loop().time()
        assert [act.escalate.queue for act in (await at.stub.Turn(slow)).acts] == ["general"]
        assert asyncio.get_running_loop().time() - began < 1.5
        assert (await error(at.stub.Turn(request))).reason == "TRANSFER_PENDING"


async def test_the_largest_request_is_what_the_deployment_says(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(request_bytes=400_000)) as at:
        name = await begun(at)
        assert (await error(at.stub.Turn(says(name, "x" * 300_000)))).fields == ["utterance.text"]
        assert (await error(at.stub.Turn(says(name, "x" * 500_000)))).code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def _turn(at: Server, request: pb.TurnRequest) -> pb.TurnResponse:
    return await at.stub.Turn(request)
