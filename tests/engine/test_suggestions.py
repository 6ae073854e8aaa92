"""Agents over gRPC: whatever they do, a question is answered once, in time and in the declared schema."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from serving import scripted_agent, suggest

from charter.agents import serve as serve_agent
from charter.agents.many import MOST_QUESTIONS
from charter.agents.scripted import read_script, scripted_services
from charter.dsl.program import Agent
from charter.dsl.types import DecimalType, EnumType
from charter.engine.breaker import Breaker, BreakerRule
from charter.engine.conversation.asks import Ask, Failed, Reason, Suggested
from charter.engine.deployment import AgentAt
from charter.engine.providers.questions import CALL_SECONDS, GRACE_SECONDS, LARGEST_QUESTION
from charter.engine.providers.suggestions import MAX_ANSWER_BYTES, GrpcAgents
from charter.v1 import suggestion_pb2 as pb

FIELDS = (("intent", EnumType("Intent", ("lost_card", "human"))), ("confidence", DecimalType(4, 0, 10_000)))


def agent(name: str = "classify", within: int = 2000) -> Agent:
    return Agent(name, FIELDS, within, 1, ())


def ask(*chain: Agent, seconds: float = 10.0, utterance: str = "I lost my card") -> Ask:
    """A question that is late after so many seconds."""
    until = asyncio.get_running_loop().time() + seconds
    return Ask(id="ask.1", chain=chain or (agent(),), utterance=utterance, language="en", until=until)


def at(**addresses: str) -> dict[str, AgentAt]:
    """Agents at these addresses."""
    return {name: AgentAt(address) for name, address in addresses.items()}


@asynccontextmanager
async def agents(folder: Path, *replies: str) -> AsyncIterator[GrpcAgents]:
    """`classify` follows this script."""
    async with scripted_agent(folder, *replies) as address, GrpcAgents(at(classify=address)) as them:
        yield them


def failed(answer: Suggested | Failed) -> Reason:
    assert isinstance(answer, Failed), answer
    return answer.reason


def free_port() -> int:
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_a_suggestion_in_the_schema_is_taken(tmp_path: Path) -> None:
    async with agents(tmp_path, suggest("lost_card", "0.93", "I lost my card")) as them:
        answer = await them.ask(ask())
        assert isinstance(answer, Suggested)
        assert answer.fields == {"intent": "lost_card", "confidence": 9300}
        (attempt,) = answer.attempts
        assert (attempt.agent, attempt.failed) == ("classify", None)
        assert attempt.took_ms > 0


@pytest.mark.parametrize(
    ("reply", "reason", "detail"),
    [
        ('{"fail": "UNAVAILABLE"}', Reason.ERROR, "UNAVAILABLE"),
        ('{"fail": "RESOURCE_EXHAUSTED"}', Reason.ERROR, "RESOURCE_EXHAUSTED"),
        ('{"abstain": "no idea"}', Reason.ERROR, "abstained: no idea"),
        ('{"garbage": "ffffffff"}', Reason.INVALID, "no SuggestResponse"),
        ('{"garbage": ""}', Reason.INVALID, "is required"),
        ('{"empty": true}', Reason.INVALID, "exactly one field is required"),
        (f'{{"oversized": {MAX_ANSWER_BYTES + 1}}}', Reason.INVALID, "larger than max"),
        ('{"oversized": 10000000}', Reason.INVALID, "larger than max"),
        (suggest("lost_card", "NaN"), Reason.INVALID, "decimal: does not match"),
        (suggest("lost_card", "1.5"), Reason.INVALID, "'1.5' is no"),
        (suggest("robbery", "0.5"), Reason.INVALID, "robbery is no `Intent`"),
        ('{"suggest": {"intent": {"symbol": "human"}}}', Reason.INVALID, "`confidence` is missing"),
        ('{"suggest": {"intent": {"text": "human"}, "confidence": {"decimal": "1"}}}', Reason.INVALID, "kind text"),
        ('{"suggest": {"mood": {"symbol": "cross"}}}', Reason.INVALID, "unknown field `mood`"),
        (
            '{"suggest": {"intent": {"symbol": "human"}, "confidence": {"decimal": "1"}}, "request_id": "ask.2"}',
            Reason.INVALID,
            "another question",
        ),
    ],
)
async def test_what_is_no_suggestion_in_the_schema_is_a_failure(
    tmp_path: Path, reply: str, reason: Reason, detail: str
) -> None:
    async with agents(tmp_path, reply) as them:
        answer = await them.ask(ask())
        assert failed(answer) is reason
        assert detail in answer.attempts[0].detail


async def test_an_agent_that_ends_a_call_well_without_an_answer_has_none_and_the_next_one_is_asked(
    tmp_path: Path,
) -> None:
    async def nothing(request: object, context: object) -> AsyncIterator[bytes]:  # noqa: ARG001  # gRPC's signature
        for answer in ():
            yield answer

    silent = grpc.aio.server()
    handlers = {"Suggest": grpc.unary_stream_rpc_method_handler(nothing)}
    silent.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("charter.v1.SuggestionProvider", handlers),))
    port = silent.add_insecure_port("127.0.0.1:0")
    await silent.start()
    try:
        async with (
            scripted_agent(tmp_path, suggest("human", "0.9")) as second,
            GrpcAgents(at(classify=f"127.0.0.1:{port}", keywords=second)) as them,
        ):
            answer = await them.ask(ask(agent(), agent("keywords")))
    finally:
        await silent.stop(0)
    assert isinstance(answer, Suggested)
    assert [(one.agent, one.failed) for one in answer.attempts] == [("classify", Reason.INVALID), ("keywords", None)]


async def test_an_agent_that_hangs_is_late_at_its_own_deadline(tmp_path: Path) -> None:
    async with agents(tmp_path, '{"hang": true}') as them:
        began = asyncio.get_running_loop().time()
        assert failed(await them.ask(ask(agent(within=100)))) is Reason.LATE
        assert asyncio.get_running_loop().time() - began < 2


async def test_an_answer_after_the_deadline_is_late(tmp_path: Path) -> None:
    late = suggest("human", "0.9").replace("{", '{"after_ms": 5000, ', 1)
    async with agents(tmp_path, late) as them:
        assert failed(await them.ask(ask(agent(within=100)))) is Reason.LATE


async def test_no_agent_is_waited_for_longer_than_the_turn_can_wait(tmp_path: Path) -> None:
    async with agents(tmp_path, '{"hang": true}') as them:
        began = asyncio.get_running_loop().time()
        assert failed(await them.ask(ask(agent(within=60_000), seconds=0.1))) is Reason.LATE
        assert failed(await them.ask(ask(seconds=-1))) is Reason.LATE
        assert asyncio.get_running_loop().time() - began < 2


async def test_an_agent_that_is_down_or_has_no_address_is_an_error() -> None:
    async with GrpcAgents(at(classify=f"127.0.0.1:{free_port()}")) as them:
        assert failed(await them.ask(ask())) is Reason.ERROR
        assert failed(await them.ask(ask(agent("unknown")))) is Reason.ERROR


async def test_an_agent_that_dies_in_the_middle_of_a_call_is_an_error() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, GrpcAgents(at(classify=address)) as them:
        assert failed(await them.ask(ask())) is Reason.ERROR


async def test_the_next_of_the_chain_answers_in_its_name(tmp_path: Path) -> None:
    async with (
        scripted_agent(tmp_path, '{"hang": true}') as slow,
        scripted_agent(tmp_path, '{"garbage": "ff"}') as broken,
        scripted_agent(tmp_path, suggest("human", "0.8")) as good,
        GrpcAgents(at(classify=slow, second=broken, third=good)) as them,
    ):
        chain = (agent(within=100), agent("second"), agent("third"))
        answer = await them.ask(ask(*chain))
        assert isinstance(answer, Suggested)
        assert answer.fields["intent"] == "human"
        assert [(one.agent, one.failed) for one in answer.attempts] == [
            ("classify", Reason.LATE),
            ("second", Reason.INVALID),
            ("third", None),
        ]
        assert failed(await them.ask(ask(*chain[:2]))) is Reason.INVALID


async def test_an_agent_that_comes_back_is_used_again(tmp_path: Path) -> None:
    async with scripted_agent(tmp_path, suggest("human", "0.9")) as address:
        pass
    async with GrpcAgents(at(classify=address)) as them:
        assert failed(await them.ask(ask())) is Reason.ERROR
        async with scripted_agent(tmp_path, suggest("human", "0.9"), listen=address), asyncio.timeout(10):
            while isinstance(await them.ask(ask()), Failed):
                await asyncio.sleep(0.01)


async def test_an_operator_is_told_what_will_fail(tmp_path: Path) -> None:
    described = """{"describe": {"fields": [
        {"name": "intent", "type": "enum", "symbols": ["lost_card", "robbery"]}, {"name": "mood", "type": "bool"}]}}"""
    async with scripted_agent(tmp_path, described.replace("\n", " ")) as address:
        down = f"127.0.0.1:{free_port()}"
        async with GrpcAgents(at(classify=address, second=down)) as them:
            assert await them.complaints([agent(), agent("second"), agent("third")]) == [
                f"agent `classify` at {address} suggests `mood`, which the policy does not declare",
                f"agent `classify` at {address} suggests `robbery` as `intent`, which is no `Intent`",
                f"agent `classify` at {address} does not suggest `confidence`",
                f"agent `second` at {down} does not answer (UNAVAILABLE): its asks fail",
                "agent `third` has no address: its asks fail",
            ]


async def test_an_agent_that_failed_too_often_is_not_asked_for_a_while_and_then_tried_once(tmp_path: Path) -> None:
    replies = ['{"fail": "INTERNAL"}', '{"fail": "INTERNAL"}', suggest("human", "0.9")]
    async with scripted_agent(tmp_path, *replies) as address:
        guarded = {"classify": AgentAt(address, BreakerRule(2, 1))}
        async with GrpcAgents(guarded) as them:
            assert failed(await them.ask(ask())) is Reason.ERROR
            assert failed(await them.ask(ask())) is Reason.ERROR
            refused = await them.ask(ask())
            assert failed(refused) is Reason.OPEN_CIRCUIT
            assert refused.attempts[0].took_ms < 50
            await asyncio.sleep(1.05)
            assert isinstance(await them.ask(ask()), Suggested)
            assert isinstance(await them.ask(ask()), Suggested)


def test_while_one_question_tries_an_agent_the_others_wait_and_its_failure_starts_the_pause_again() -> None:
    now = 0.0
    breaker = Breaker(BreakerRule(1, 10), lambda: now)
    assert breaker.admits()
    breaker.tell(answered=False)
    assert not breaker.admits()
    now = 10
    assert [breaker.admits(), breaker.admits()] == [True, False]
    breaker.tell(answered=False)
    now = 19
    assert not breaker.admits()
    now = 20
    assert breaker.admits()
    breaker.tell(answered=True)
    assert [breaker.admits(), breaker.admits()] == [True, True]


async def test_an_agent_without_an_opinion_has_not_failed(tmp_path: Path) -> None:
    async with (
        scripted_agent(tmp_path, '{"abstain": "no idea"}') as address,
        GrpcAgents({"classify": AgentAt(address, BreakerRule(1, 60))}) as them,
    ):
        assert failed(await them.ask(ask())) is Reason.ERROR
        assert failed(await them.ask(ask())) is Reason.ERROR


async def test_a_slow_agent_is_asked_a_second_time_where_the_deployment_says_so(tmp_path: Path) -> None:
    async with (
        scripted_agent(tmp_path, '{"hang": true}', suggest("human", "0.9")) as address,
        GrpcAgents({"classify": AgentAt(address, hedge_ms=50)}) as them,
    ):
        answer = await them.ask(ask())
        assert isinstance(answer, Suggested)
        (attempt,) = answer.attempts
        assert 50 <= attempt.took_ms < 1000


# --- questions that share calls --------------------------------------------------------------------------------------

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
