"""The demo bank: what its tools do, what goes wrong when it should, and that a repeated call is one call."""

import asyncio
import json
import time
from pathlib import Path

import grpc
import grpc.aio
import pytest

from charter.agents import Abstention, Field, Identifier, Question, Suggestion
from charter.agents.bank import CALM, SUSPICIOUS, TOOLS, Bank, FraudScore
from charter.agents.bank_data import InvalidBank, read_bank
from charter.agents.tool import Refusal, Result, ToolCall
from charter.agents.tool_provider import ToolServicer
from charter.v1.tools_pb2 import CallRequest
from charter.v1.tools_pb2_grpc import ToolProviderStub, add_ToolProviderServicer_to_server
from charter.v1.values_pb2 import Field as FieldMessage
from charter.v1.values_pb2 import Record
from charter.v1.values_pb2 import Value as ValueMessage

SHIPPED = Path(__file__).parents[2] / "rules/card_support/bank.json"
CONVERSATION = "6f1c1f0e-4f53-4d1a-9f0e-0a8d4c0f7a11"
CUSTOMER = {
    "id": "c-1",
    "phone": "+49301",
    "birth_date": "1984-07-02",
    "account": "DE0010050915",
    "card": "k-1",
    "number": "4929",
    "state": "in_the_mail",
    "balance": "12.50",
    "limit": 500,
    "highest_limit": 1000,
}
TROUBLED = {
    **CUSTOMER,
    "id": "c-2",
    "phone": "+49302",
    "card": "k-2",
    "number": "4930",
    "trouble": {"get_balance": {"refuses": "maintenance"}, "block_card": {"slow_ms": 150}},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "bank.json"
    path.write_text(json.dumps({"customers": [CUSTOMER, TROUBLED], "suspicious": {"en": ["Safe account"]}}), "utf-8")
    return path


@pytest.fixture
def bank(path: Path) -> Bank:
    return Bank(read_bank(path))


async def called(bank: Bank, tool: str, **arguments: str | int) -> dict[str, object] | str:
    """What a call returns, or why it was refused."""
    fields = tuple(
        Field(name, value if isinstance(value, int) else Identifier(value)) for name, value in arguments.items()
    )
    match await bank.call(ToolCall("key", tool, fields, CONVERSATION, "en")):
        case Result(found):
            return {one.name: getattr(one.value, "text", getattr(one.value, "name", one.value)) for one in found}
        case Refusal(reason):
            return reason


async def test_a_customer_is_found_checked_and_served(bank: Bank) -> None:
    assert await called(bank, "find_customer", phone="+49301") == {"customer": "c-1", "card": "k-1"}
    for born, digits, right in (
        ("1984-07-02", "0915", True),
        ("1984-07-03", "0915", False),
        ("1984-07-02", "0916", False),
        ("0915", "1984-07-02", False),
    ):
        found = await called(bank, "check_identity", customer="c-1", birth_date=born, last_digits=digits)
        assert found == {"right": right}
    assert str((await called(bank, "get_balance", card="k-1"))["balance"]) == "12.50"
    assert await called(bank, "set_limit", card="k-1", limit=1001) == {"done": False}
    assert await called(bank, "set_limit", card="k-1", limit=1000) == {"done": True}
    assert await called(bank, "flag_support", customer="c-1") == {"noted": True}


async def test_a_card_is_activated_by_its_number_and_a_blocked_one_is_not(bank: Bank) -> None:
    assert await called(bank, "card_state", card="k-1") == {"state": "in_the_mail"}
    assert await called(bank, "activate_card", number="0000") == {"active": False}
    assert await called(bank, "activate_card", number="4929") == {"active": True}
    assert await called(bank, "block_card", card="k-1") == {"reference": "block-0001"}
    assert await called(bank, "activate_card", number="4929") == {"active": False}
    assert await called(bank, "card_state", card="k-1") == {"state": "blocked"}


async def test_a_recording_that_was_stopped_is_never_resumed(bank: Bank) -> None:
    assert await called(bank, "pause_recording", why="a number") == {"paused": True}
    assert await called(bank, "resume_recording", why="it is over") == {"resumed": True}
    assert await called(bank, "stop_recording", why="an objection") == {"stopped": True}
    assert await called(bank, "resume_recording", why="a mistake") == {"resumed": False}
    assert await called(bank, "continue_recording", why="a mistake") == {"resumed": False}


async def test_who_is_not_known_is_refused(bank: Bank) -> None:
    assert await called(bank, "find_customer", phone="+1") == "nobody here is known by that"
    assert await called(bank, "get_balance", card="k-9") == "nobody here is known by that"


async def test_what_shall_go_wrong_goes_wrong(bank: Bank) -> None:
    assert await called(bank, "get_balance", card="k-2") == "maintenance"
    began = time.monotonic()
    assert await called(bank, "block_card", card="k-2") == {"reference": "block-0001"}
    assert time.monotonic() - began >= 0.14


async def test_every_tool_answers_in_the_fields_that_it_describes(bank: Bank) -> None:
    arguments = {"phone": "+49301", "customer": "c-1", "card": "k-1", "number": "4929", "limit": 1}
    for schema in TOOLS:
        given = {one.name: arguments.get(one.name, "a reason") for one in schema.arguments}
        answer = await called(bank, schema.name, **given)
        assert isinstance(answer, dict), schema.name
        assert list(answer) == [one.name for one in schema.results]


def request(tool: str, key: str = "call-1", **arguments: str) -> CallRequest:
    fields = [FieldMessage(name=name, value=ValueMessage(id=text)) for name, text in arguments.items()]
    return CallRequest(
        idempotency_key=key, tool=tool, arguments=Record(fields=fields), conversation_id=CONVERSATION, language="en"
    )


async def test_a_repeated_call_is_one_call_also_while_the_first_one_runs(bank: Bank, serving) -> None:
    servicer = ToolServicer(bank)
    async with serving(lambda server: add_ToolProviderServicer_to_server(servicer, server)) as served:
        stub = ToolProviderStub(served.channel)
        blocks = [stub.Call(request("block_card", card="k-2")) for _ in range(3)]
        references = {one.result.fields[0].value.id for one in await asyncio.gather(*blocks)}
        assert references == {"block-0001"}
        other = await stub.Call(request("block_card", "call-2", card="k-2"))
        assert other.result.fields[0].value.id == "block-0002"


async def test_a_call_that_its_caller_gave_up_is_carried_out_and_answered_when_it_is_repeated(bank, serving) -> None:
    servicer = ToolServicer(bank)
    async with serving(lambda server: add_ToolProviderServicer_to_server(servicer, server)) as served:
        stub = ToolProviderStub(served.channel)
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await stub.Call(request("block_card", card="k-2"), timeout=0.05)
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        again = await stub.Call(request("block_card", card="k-2"))
        assert again.result.fields[0].value.id == "block-0001"


@pytest.mark.parametrize(
    ("call", "code", "says"),
    [
        (request("fly"), grpc.StatusCode.UNIMPLEMENTED, "there is no tool `fly`"),
        (request("get_balance"), grpc.StatusCode.INVALID_ARGUMENT, "`get_balance` is called with card"),
        (request("get_balance", "", card="k-1"), grpc.StatusCode.INVALID_ARGUMENT, "idempotency_key"),
    ],
)
async def test_a_call_that_cannot_be_made_is_refused(bank: Bank, serving, call, code, says) -> None:
    servicer = ToolServicer(bank)
    async with serving(lambda server: add_ToolProviderServicer_to_server(servicer, server)) as served:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ToolProviderStub(served.channel).Call(call)
    assert refused.value.code() is code
    assert says in (refused.value.details() or "")


def test_words_of_fraudsters_are_suspicious(path: Path) -> None:
    score = FraudScore(read_bank(path))
    for words, expected in (("to a SAFE account!", SUSPICIOUS), ("a safe place, on account of rain", CALM)):
        assert score.suggest(Question("fraud_score", words, "en-GB")) == Suggestion((Field("score", expected),))
    assert isinstance(score.suggest(Question("fraud_score", "bonjour", "fr")), Abstention)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"state": "melted"}, "`melted` is no state of a card"),
        ({"limit": "many"}, "`limit` is a whole number"),
        ({"birth_date": 1984}, "`birth_date` is a text"),
        ({"id": "c-2"}, "two customers have the same id"),
        ({"trouble": {"get_balance": {"explodes": True}}}, "explodes"),
    ],
)
def test_a_bad_bank_is_refused(tmp_path: Path, change, says) -> None:
    path = tmp_path / "bank.json"
    path.write_text(json.dumps({"customers": [CUSTOMER | change, TROUBLED], "suspicious": {}}), "utf-8")
    with pytest.raises(InvalidBank, match=says):
        read_bank(path)


def test_a_bank_without_customers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bank.json"
    path.write_text("{}", "utf-8")
    with pytest.raises(InvalidBank, match="'customers' is missing"):
        read_bank(path)
    with pytest.raises(InvalidBank, match="cannot be read"):
        read_bank(tmp_path / "none.json")


def test_the_shipped_bank_can_be_read() -> None:
    data = read_bank(SHIPPED)
    assert len(data.customers) >= 4
    assert set(data.suspicious) == {"en", "de"}
