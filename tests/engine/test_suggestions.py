"""Agents over gRPC: whatever they do, a question is answered once, in time and in the declared schema."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import pytest
from serving import scripted_agent, suggest

from charter.dsl.program import Agent
from charter.dsl.types import DecimalType, EnumType
from charter.engine.breaker import Breaker, BreakerRule
from charter.engine.conversation.asks import Ask, Failed, Reason, Suggested
from charter.engine.deployment import AgentAt
from charter.engine.providers.suggestions import MAX_ANSWER_BYTES, GrpcAgents

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
