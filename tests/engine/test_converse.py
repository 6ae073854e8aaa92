"""A stream of `Converse`: every act comes once, as soon as it is on record, and every request has its answer."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from bank import BANK
from serving import KEY, Server, checked, scripted_agent, server, turn
from toolbox import result, toolbox

from charter.engine.audit import verify
from charter.v1 import conversations_pb2 as pb
from charter.v1.conversations_pb2_grpc import ConversationsStub
from charter.v1.tools_pb2 import CallRequest

INTENTS = ("lost", "more", "spend", "other")


class Talk:
    """A stream that is open."""

    def __init__(self, at: Server, conversation: str) -> None:
        self._name = conversation
        self._call = at.stub.Converse(None)

    async def say(self, request: str | None = None, **event: Any) -> None:
        await self._call.write(pb.ConverseRequest(turn=turn(self._name, request, **event)))  # type: ignore[attr-defined]

    async def follow(self, after: int = 0) -> None:
        follow = pb.Follow(conversation_id=self._name, after=after)
        await self._call.write(pb.ConverseRequest(follow=follow))  # type: ignore[attr-defined]

    async def hear(self) -> pb.ConverseResponse:
        async with asyncio.timeout(10):
            heard = await self._call.read()  # type: ignore[attr-defined]
        assert isinstance(heard, pb.ConverseResponse), heard
        return heard

    async def hear_act(self) -> str:
        """The next step with acts: their names."""
        while not (heard := await self.hear()).step.acts:
            pass
        return " ".join(spelled(act) for act in heard.step.acts)

    async def hear_answer(self) -> pb.TurnResponse:
        while not (heard := await self.hear()).HasField("answer"):
            assert not heard.HasField("refusal"), heard
        return heard.answer

    async def end(self) -> None:
        await self._call.done_writing()  # type: ignore[attr-defined]
        async with asyncio.timeout(10):
            while await self._call.read() is not grpc.aio.EOF:  # type: ignore[attr-defined]
                pass
        assert await self._call.code() is grpc.StatusCode.OK  # type: ignore[attr-defined]


def spelled(act: pb.Act) -> str:
    kind = act.WhichOneof("kind") or ""
    return getattr(getattr(act, kind), "queue" if kind == "escalate" else "name")


@asynccontextmanager
async def bank(folder: Path, *, slow: float = 0.0) -> AsyncIterator[Server]:
    """A server for the bank's policy, with a tool that takes so long."""

    async def do(request: CallRequest, context: object) -> bytes:  # noqa: ARG001  # gRPC's signature
        await asyncio.sleep(slow)
        return result(request)

    replies = [f'{{"utterance": "{one}", "suggest": {{"intent": {{"symbol": "{one}"}}}}}}' for one in INTENTS]
    program, store = checked(folder / "policy", BANK), folder / "charter.db"
    async with (
        scripted_agent(folder, *replies) as agent,
        toolbox(do) as tools,
        server(program, store, {"classify": agent}, {"*": tools}) as running,
    ):
        assert running.warnings == [
            f"agent `classify` at {agent} does not suggest `intent`"
        ]  # the script describes nothing
        yield running
    assert verify(f"sqlite:///{store}", KEY).intact


def begin(caller: str = "") -> pb.Start:
    return pb.Start(policy="bank", channel=pb.CHANNEL_VOICE, language="en", caller=caller)


async def test_acts_come_as_they_happen_and_the_answer_after_them(tmp_path: Path) -> None:
    async with bank(tmp_path) as at:
        name = str(uuid.uuid4())
        talk = Talk(at, name)
        await talk.say(start=begin("+49"))
        assert await talk.hear_act() == "notice hello"
        answer = await talk.hear_answer()
        assert [spelled(act) for act in answer.acts] == ["notice", "hello"]
        await talk.say(utterance=pb.Utterance(text="lost"))
        assert await talk.hear_act() == "blocked"
        assert not (await talk.hear_answer()).open
        await talk.say(hangup=pb.Hangup())
        assert (await talk.hear_answer()).over
        await talk.end()


async def test_a_quiet_stream_of_a_client_that_pings_stays_open(tmp_path: Path) -> None:
    pinging = [("grpc.keepalive_time_ms", 1100), ("grpc.http2.max_pings_without_data", 0)]
    async with bank(tmp_path) as at, grpc.aio.insecure_channel(at.address, pinging) as channel:
        name = str(uuid.uuid4())
        await at.stub.Turn(turn(name, start=begin()))
        talk = Talk(replace(at, stub=ConversationsStub(channel)), name)
        await talk.follow()
        assert await talk.hear_act() == "notice hello"
        await asyncio.sleep(5)
        await at.stub.Turn(turn(name, utterance=pb.Utterance(text="other")))
        assert await talk.hear_act()
        await talk.end()


async def test_a_timer_and_a_late_answer_are_heard_without_a_request(tmp_path: Path) -> None:
    async with bank(tmp_path, slow=0.5) as at:
        name = str(uuid.uuid4())
        talk = Talk(at, name)
        await talk.say(start=begin())
        await talk.hear_answer()
        await talk.say(silence=pb.Silence())
        assert [await talk.hear_act(), await talk.hear_act()] == ["again", "still"]
        await talk.say(utterance=pb.Utterance(text="spend"))
        assert await talk.hear_act() == "unpaid"  # uncertain
        assert await talk.hear_act() == "paid"  # settled
        await talk.end()
        where = await at.stub.GetConversation(pb.GetConversationRequest(conversation_id=name, after=3))
        assert [spelled(act) for act in where.acts] == ["unpaid", "paid"]
        assert [act.sequence for act in where.acts] == [6, 7]


async def test_a_refusal_says_what_a_call_would_and_the_stream_goes_on(tmp_path: Path) -> None:
    async with bank(tmp_path) as at:
        talk = Talk(at, str(uuid.uuid4()))
        request = str(uuid.uuid4())
        await talk.say(request, silence=pb.Silence())
        early = (await talk.hear()).refusal
        assert (early.request_id, early.reason) == (request, "CONVERSATION_NOT_STARTED")
        assert early.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
        await talk.say(keys=pb.Keys(digits="one"))
        assert (await talk.hear()).refusal.field == "turn.keys.digits"
        await talk.say(start=pb.Start(policy="other", channel=pb.CHANNEL_VOICE, language="en"))
        assert (await talk.hear()).refusal.field == "start.policy"
        await talk.say(start=begin())
        await talk.hear_answer()
        talk._name = str(uuid.uuid4())
        await talk.say(silence=pb.Silence())
        assert (await talk.hear()).refusal.field == "conversation_id"
        await talk.end()


async def test_whoever_follows_hears_what_was_missed_and_what_others_do(tmp_path: Path) -> None:
    async with bank(tmp_path) as at:
        name = str(uuid.uuid4())
        unknown = Talk(at, name)
        await unknown.follow()
        assert (await unknown.hear()).refusal.reason == "CONVERSATION_UNKNOWN"
        await unknown.end()
        await at.stub.Turn(turn(name, start=begin()))
        talk = Talk(at, name)
        await talk.follow()
        assert await talk.hear_act() == "notice hello"
        await at.stub.Turn(turn(name, utterance=pb.Utterance(text="more")))
        assert await talk.hear_act() == "again limit"
        await talk.end()
        again = Talk(at, name)
        await again.follow(after=1)
        assert await again.hear_act() == "again limit"
        await again.end()


async def test_a_client_that_leaves_does_not_stop_its_turn(tmp_path: Path) -> None:
    async with bank(tmp_path, slow=0.1) as at:
        name, request = str(uuid.uuid4()), str(uuid.uuid4())
        talk = Talk(at, name)
        await talk.say(start=begin())
        await talk.hear_answer()
        await talk.say(request, utterance=pb.Utterance(text="spend"))
        while (await at.stub.GetConversation(pb.GetConversationRequest(conversation_id=name))).events < 2:
            pass
        talk._call.cancel()
        answer = await at.stub.Turn(turn(name, request, utterance=pb.Utterance(text="spend")))
        assert [spelled(act) for act in answer.acts] == ["paid"]


@pytest.mark.parametrize("count", [20])
async def test_many_streams_hear_their_own_conversation_only(tmp_path: Path, count: int) -> None:
    async with bank(tmp_path) as at:

        async def one() -> None:
            talk = Talk(at, str(uuid.uuid4()))
            await talk.say(start=begin())
            await talk.hear_answer()
            for _ in range(3):
                await talk.say(utterance=pb.Utterance(text="other"))
                assert await talk.hear_act() == "again"
                assert [spelled(act) for act in (await talk.hear_answer()).acts] == ["again"]
            await talk.end()

        await asyncio.gather(*(one() for _ in range(count)))
