"""Questions to one agent that share calls: what is sent, and what becomes of an agent that does otherwise."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from serving import suggest
from test_suggestions import agent, ask, at

from charter.agents import serve as serve_agent
from charter.agents.many import MOST_QUESTIONS
from charter.agents.scripted import read_script, scripted_services
from charter.engine.conversation.asks import Suggested
from charter.engine.providers.questions import CALL_SECONDS, GRACE_SECONDS, LARGEST_QUESTION
from charter.engine.providers.suggestions import MAX_ANSWER_BYTES, GrpcAgents
from charter.v1 import suggestion_pb2 as pb

HUMAN = pb.SuggestResponse(request_id="ask.1")
HUMAN.suggestion.fields.add(name="intent").value.symbol = "human"
HUMAN.suggestion.fields.add(name="confidence").value.decimal = "0.9"
ANSWER = HUMAN.SerializeToString()


@dataclass
class Counting:
    """An agent that notes what comes how; `many` says what it sends to each message of `SuggestMany`."""

    many: Callable[[pb.SuggestManyRequest], bytes | None] | None = None
    alone: list[str] = field(default_factory=list)
    messages: list[pb.SuggestManyRequest] = field(default_factory=list)
    calls: int = 0

    def add(self, server: grpc.aio.Server) -> None:
        async def suggest(request: pb.SuggestRequest, _: object) -> bytes:
            self.alone.append(request.utterance)
            return ANSWER

        async def suggest_many(messages: AsyncIterator[pb.SuggestManyRequest], _: object) -> AsyncIterator[bytes]:
            self.calls += 1
            async for answer in self.go_on(messages):
                yield answer

        handlers: dict[str, Any] = {
            "Suggest": grpc.unary_unary_rpc_method_handler(suggest, pb.SuggestRequest.FromString)
        }
        if self.many is not None:
            handlers["SuggestMany"] = grpc.stream_stream_rpc_method_handler(
                suggest_many, pb.SuggestManyRequest.FromString
            )
        name = "charter.v1.SuggestionProvider"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))

    async def go_on(self, messages: AsyncIterator[pb.SuggestManyRequest]) -> AsyncIterator[bytes]:
        """What a call of `SuggestMany` answers."""
        async for message in messages:
            self.messages.append(message)
            assert self.many is not None
            if (answer := self.many(message)) is not None:
                yield answer


def answered(message: pb.SuggestManyRequest) -> bytes:
    answers = [pb.NumberedAnswer(number=one.number, response=ANSWER) for one in message.questions]
    return pb.SuggestManyResponse(answers=answers).SerializeToString()


@asynccontextmanager
async def counting(agent: Counting) -> AsyncIterator[GrpcAgents]:
    server = grpc.aio.server()
    agent.add(server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        async with GrpcAgents(at(classify=address)) as them:
            yield them
    finally:
        await server.stop(None)


async def test_questions_that_come_together_are_one_message() -> None:
    placed = Counting(answered)
    async with counting(placed) as them:
        answers = await asyncio.gather(*(them.ask(ask()) for _ in range(10)))
        assert all(isinstance(answer, Suggested) for answer in answers)
    assert [len(message.questions) for message in placed.messages] == [10]
    assert placed.alone == []


async def test_an_agent_that_takes_one_question_a_call_is_asked_so() -> None:
    placed = Counting()
    async with counting(placed) as them:
        for _ in range(3):
            assert isinstance(await them.ask(ask()), Suggested)
    assert len(placed.alone) == 3


@pytest.mark.parametrize("broken", [b"\xff\xff", b"x" * (MAX_ANSWER_BYTES + 1)], ids=["no message", "larger than max"])
async def test_what_a_broken_call_leaves_unanswered_is_asked_alone(broken: bytes) -> None:
    placed = Counting(lambda _: broken)
    async with counting(placed) as them:
        answers = await asyncio.gather(*(them.ask(ask(utterance=words)) for words in ("one", "two")))
        assert all(isinstance(answer, Suggested) for answer in answers)
        assert isinstance(await them.ask(ask(utterance="three")), Suggested)
    assert placed.calls == 1  # such calls are not tried for a while
    assert sorted(placed.alone[:2]) == ["one", "two"]  # two calls at once come in any order
    assert placed.alone[2:] == ["three"]


async def test_a_call_takes_questions_for_a_while_and_then_another_does() -> None:
    held = list[pb.SuggestManyRequest]()

    def first_held(message: pb.SuggestManyRequest) -> bytes | None:
        held.append(message)
        return None if len(held) == 1 else answered(message)

    placed = Counting(first_held)
    async with counting(placed) as them:
        slow = asyncio.create_task(them.ask(ask(agent(within=30_000), seconds=30)))
        await asyncio.sleep(CALL_SECONDS + 0.2)
        assert isinstance(await them.ask(ask()), Suggested)
        assert placed.calls == 2
        assert isinstance(await slow, Suggested)  # the first call ended without its answer
    assert len(placed.alone) == 1


async def test_an_agent_that_floods_a_call_is_hung_up_on_and_asked_one_by_one() -> None:
    ended = asyncio.Event()

    class Flooding(Counting):
        async def go_on(self, _: AsyncIterator[pb.SuggestManyRequest]) -> AsyncIterator[bytes]:
            try:
                while True:
                    yield pb.SuggestManyResponse().SerializeToString()
            finally:
                ended.set()

    placed = Flooding(answered)
    async with counting(placed) as them:
        assert isinstance(await them.ask(ask()), Suggested)
        async with asyncio.timeout(5):
            await ended.wait()
        assert isinstance(await them.ask(ask()), Suggested)
    assert (placed.calls, len(placed.alone)) == (1, 2)


async def test_a_call_that_an_agent_does_not_end_is_ended() -> None:
    ended = asyncio.Event()

    class Staying(Counting):
        async def go_on(self, messages: AsyncIterator[pb.SuggestManyRequest]) -> AsyncIterator[bytes]:
            try:
                async for message in messages:
                    yield answered(message)
                await asyncio.sleep(60)
            finally:
                ended.set()

    async with counting(Staying(answered)) as them:
        assert isinstance(await them.ask(ask(agent(within=300))), Suggested)
        async with asyncio.timeout(CALL_SECONDS + GRACE_SECONDS + 5):
            await ended.wait()
        assert isinstance(await them.ask(ask()), Suggested)


async def test_an_agent_that_shuts_down_does_not_wait_for_a_call_without_questions(tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text(suggest("human", "0.9"), "utf-8")
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = serve_agent(
        scripted_services(read_script(script)), listen="127.0.0.1:0", stop=stop, ready=ready.set_result, drain=20
    )
    ended = asyncio.create_task(serving)
    async with GrpcAgents(at(classify=await ready)) as them:
        assert isinstance(await them.ask(ask()), Suggested)
        stop.set()
        async with asyncio.timeout(CALL_SECONDS + 5):
            await ended


async def test_a_question_that_is_long_or_one_too_many_has_a_call_of_its_own() -> None:
    go_on = list[pb.SuggestManyRequest]()

    def hold(message: pb.SuggestManyRequest) -> bytes | None:
        go_on.append(message)
        if sum(len(one.questions) for one in go_on) < MOST_QUESTIONS:
            return None
        everything = pb.SuggestManyRequest(questions=[one for each in go_on for one in each.questions])
        return answered(everything)

    placed = Counting(hold)
    async with counting(placed) as them:
        long = "x" * LARGEST_QUESTION
        assert isinstance(await them.ask(ask(utterance=long)), Suggested)
        assert placed.alone == [long]
        answers = await asyncio.gather(*(them.ask(ask(seconds=30)) for _ in range(MOST_QUESTIONS + 1)))
        assert all(isinstance(answer, Suggested) for answer in answers)
    assert placed.alone == [long, "I lost my card"]
    assert sum(len(one.questions) for one in placed.messages) == MOST_QUESTIONS


async def test_messages_stay_within_the_contract_and_a_question_nobody_waits_for_is_withdrawn() -> None:
    placed = Counting(lambda message: answered(message) if message.questions else None)
    silent = Counting(lambda _: None)
    async with counting(placed) as them, counting(silent) as quiet:
        await asyncio.gather(*(them.ask(ask(utterance="x" * 16_000)) for _ in range(10)))
        assert max(message.ByteSize() for message in placed.messages) <= 65_536
        assert sum(len(message.questions) for message in placed.messages) == 10
        asking = asyncio.create_task(quiet.ask(ask()))
        while not silent.messages:
            await asyncio.sleep(0.01)
        asking.cancel()
        async with asyncio.timeout(5):
            while len(silent.messages) < 2:
                await asyncio.sleep(0.01)
    assert list(silent.messages[1].withdrawn) == [one.number for one in silent.messages[0].questions]
