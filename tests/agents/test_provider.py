"""A provider behind its server: what it suggests arrives, and whatever it does stays within bounds."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import grpc.aio
import pytest
from google.rpc.error_details_pb2 import BadRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from charter.agents import (
    Abstention,
    Description,
    Field,
    FieldSchema,
    Identifier,
    LanguageReport,
    Provider,
    ProviderServicer,
    Question,
    Record,
    Suggestion,
    Symbol,
    wire,
)
from charter.v1.suggestion_pb2 import DescribeRequest, SuggestRequest, SuggestResponse
from charter.v1.suggestion_pb2_grpc import add_SuggestionProviderServicer_to_server
from charter.v1.validation import violations

SCHEMA = (FieldSchema("intent", "enum", ("human", "other")), FieldSchema("confidence", "decimal(4) 0..1"))
DESCRIPTION = Description(
    name="example",
    fields=SCHEMA,
    languages=(LanguageReport("en", "none", 40, 0.925),),
    model="a constant",
    model_digest="ab" * 32,
    data_digest="cd" * 32,
)
REQUEST = SuggestRequest(request_id="r1", agent="classify", utterance="a person, please", language="en")


def suggestion(intent: str = "human", confidence: str = "0.9000") -> Suggestion:
    return Suggestion((Field("intent", Symbol(intent)), Field("confidence", Decimal(confidence))))


@dataclass(frozen=True)
class Constant:
    """Suggests the same, whatever it is asked."""

    outcome: Suggestion | Abstention
    asked: list[Question] = field(default_factory=list)

    def describe(self) -> Description:
        return DESCRIPTION

    def suggest(self, question: Question) -> Suggestion | Abstention:
        self.asked.append(question)
        return self.outcome


@dataclass(frozen=True)
class Broken:
    """Raises, whatever it is asked."""

    def describe(self) -> Description:
        return DESCRIPTION

    def suggest(self, question: Question) -> Suggestion | Abstention:
        raise ZeroDivisionError(f"cannot divide by {question.utterance}")


@dataclass(frozen=True)
class Held:
    """Suggests only once it is released, as a model that takes its time."""

    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    released: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)

    def describe(self) -> Description:
        return DESCRIPTION

    def suggest(self, question: Question) -> Suggestion | Abstention:
        self.asked.append(question.utterance)
        self.begun.release()
        self.released.wait()
        return suggestion()


@contextmanager
def services(provider: Provider) -> Iterator[object]:
    with ThreadPoolExecutor(max_workers=1) as workers:
        servicer = ProviderServicer(provider, workers)
        yield lambda server: add_SuggestionProviderServicer_to_server(servicer, server)


async def begun(provider: Held) -> None:
    """Returns once the provider works on a question."""
    await asyncio.to_thread(provider.begun.acquire)


async def status_of(call: grpc.aio.UnaryUnaryCall) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def fields_named(error: grpc.aio.AioRpcError) -> list[str]:
    status = rpc_status.from_call(AsCall(error))
    details = BadRequest()
    assert status.details[0].Unpack(details)
    return [one.field for one in details.field_violations]


@dataclass(frozen=True)
class AsCall:
    """An error of grpc.aio in the shape that `rpc_status` reads."""

    error: grpc.aio.AioRpcError

    def trailing_metadata(self) -> list[tuple[str, object]]:
        return list(self.error.trailing_metadata())

    def code(self) -> grpc.StatusCode:
        return self.error.code()

    def details(self) -> str | None:
        return self.error.details()


async def test_a_suggestion_arrives_as_it_was_made(serving) -> None:
    with services(Constant(suggestion())) as add:
        async with serving(add) as served:
            answer = await served.stub.Suggest(REQUEST)
    assert answer == SuggestResponse(
        request_id="r1",
        suggestion=wire.write_record((Field("intent", Symbol("human")), Field("confidence", Decimal("0.9000")))),
    )
    assert answer.suggestion.fields[1].value.decimal == "0.9000"


async def test_an_abstention_arrives_with_its_reason(serving) -> None:
    with services(Constant(Abstention("no utterance"))) as add:
        async with serving(add) as served:
            answer = await served.stub.Suggest(REQUEST)
    assert answer.WhichOneof("outcome") == "abstention"
    assert answer.abstention.reason == "no utterance"


async def test_a_provider_gets_what_was_sent_and_nothing_else(serving) -> None:
    provider = Constant(suggestion())
    request = SuggestRequest()
    request.CopyFrom(REQUEST)
    request.sees.add(name="balance").value.decimal = "12.50"
    request.sees.add(name="account")
    with services(provider) as add:
        async with serving(add) as served:
            await served.stub.Suggest(request)
    sees = (Field("balance", Decimal("12.50")), Field("account", None))
    assert provider.asked == [Question("classify", "a person, please", "en", sees)]


async def test_the_description_arrives_whole(serving) -> None:
    with services(Constant(suggestion())) as add:
        async with serving(add) as served:
            answer = await served.stub.Describe(DescribeRequest())
    assert [(one.name, one.type, tuple(one.symbols)) for one in answer.fields] == [
        ("intent", "enum", ("human", "other")),
        ("confidence", "decimal(4) 0..1", ()),
    ]
    assert [(one.language, one.encoder, one.held_out, one.accuracy) for one in answer.languages] == [
        ("en", "none", 40, 0.925)
    ]
    assert (answer.name, answer.model, answer.model_digest, answer.data_digest) == (
        "example",
        "a constant",
        "ab" * 32,
        "cd" * 32,
    )


async def test_an_invalid_question_is_refused_with_the_path_of_the_field(serving) -> None:
    provider = Constant(suggestion())
    request = SuggestRequest(agent="classify", language="en")
    request.sees.add(name="score").value.decimal = "NaN"
    with services(provider) as add:
        async with serving(add) as served:
            error = await status_of(served.stub.Suggest(request))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert fields_named(error) == ["request_id", "sees[0].value.decimal"]
    assert provider.asked == []


async def test_a_time_that_no_calendar_has_is_refused(serving) -> None:
    request = SuggestRequest()
    request.CopyFrom(REQUEST)
    request.sees.add(name="since").value.time.seconds = 10**15
    with services(Constant(suggestion())) as add:
        async with serving(add) as served:
            error = await status_of(served.stub.Suggest(request))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert fields_named(error) == ["sees"]


async def test_a_question_over_64_KiB_is_refused(serving) -> None:
    request = SuggestRequest(request_id="r1", agent="classify", language="en", utterance="x" * 65536)
    provider = Constant(suggestion())
    with services(provider) as add:
        async with serving(add) as served:
            error = await status_of(served.stub.Suggest(request))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert provider.asked == []


async def test_a_provider_that_raises_is_an_internal_error_without_the_customers_words(serving, caplog) -> None:
    with services(Broken()) as add:
        async with serving(add) as served:
            error = await status_of(served.stub.Suggest(REQUEST))
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "the provider failed")
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "outcome",
    [
        suggestion("lost_card"),
        Suggestion((Field("intent", Symbol("human")),)),
        Suggestion((*suggestion().fields, Field("mood", Symbol("good")))),
        Suggestion((Field("intent", Symbol("human")), Field("confidence", Decimal("NaN")))),
        Abstention("x" * 1025),
    ],
    ids=["unknown symbol", "missing field", "field too many", "not a number", "long reason"],
)
async def test_what_a_provider_does_not_describe_does_not_leave_it(serving, caplog, outcome) -> None:
    with services(Constant(outcome)) as add:
        async with serving(add) as served:
            error = await status_of(served.stub.Suggest(REQUEST))
    assert error.code() == grpc.StatusCode.INTERNAL
    assert "OutOfBounds" in caplog.text


async def test_the_server_stays_live_while_a_model_works_and_late_questions_never_reach_it(serving) -> None:
    provider = Held()
    late = SuggestRequest()
    late.CopyFrom(REQUEST)
    late.utterance = "too late"
    with services(provider) as add:
        async with serving(add) as served:
            first = served.stub.Suggest(REQUEST)
            await begun(provider)
            error = await status_of(served.stub.Suggest(late, timeout=0.1))
            health = await health_pb2_grpc.HealthStub(served.channel).Check(health_pb2.HealthCheckRequest())
            provider.released.set()
            await first
            await served.stub.Suggest(REQUEST)
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert provider.asked == [REQUEST.utterance, REQUEST.utterance]


async def test_a_server_that_stops_finishes_the_call_under_way_and_takes_no_other(serving) -> None:
    provider = Held()
    with services(provider) as add:
        async with serving(add) as served:
            watch = health_pb2_grpc.HealthStub(served.channel).Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            call = served.stub.Suggest(REQUEST)
            await begun(provider)
            served.stop.set()
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            watch.cancel()
            async with grpc.aio.insecure_channel(served.address) as other:
                refused = await status_of(health_pb2_grpc.HealthStub(other).Check(health_pb2.HealthCheckRequest()))
            provider.released.set()
            answer = await call
            await served.ended
    assert refused.code() == grpc.StatusCode.UNAVAILABLE
    assert answer.HasField("suggestion")


@pytest.mark.parametrize("service", ["", "charter.v1.SuggestionProvider"])
async def test_health_answers_for_the_server_and_for_the_service(serving, service) -> None:
    with services(Constant(suggestion())) as add:
        async with serving(add) as served:
            answer = await health_pb2_grpc.HealthStub(served.channel).Check(
                health_pb2.HealthCheckRequest(service=service)
            )
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


NAMES = st.text(min_size=1, max_size=10)
SIMPLE = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.decimals(-(10**12), 10**12, places=4)
    | st.builds(Symbol, NAMES)
    | st.builds(Identifier, NAMES)
    | st.text(max_size=20)
    | st.datetimes(timezones=st.just(UTC))
    | st.timedeltas(timedelta(days=-1000), timedelta(days=1000))
)
VALUES = st.recursive(
    SIMPLE,
    lambda values: st.builds(Record, st.lists(st.builds(Field, NAMES, values), max_size=3).map(tuple)),
    max_leaves=6,
)


@given(VALUES | st.none())
def test_writing_then_reading_a_value_gives_the_same_value(value) -> None:
    message = wire.write_value(value)
    again = wire.read_value(message)
    assert again == value
    assert type(again) is type(value)
    assert wire.write_value(again) == message
    assert violations(message) == ()


def test_a_zero_is_no_unknown() -> None:
    for value in (False, 0, Decimal(0), "", Symbol(""), Identifier(""), timedelta(0), datetime.fromtimestamp(0, UTC)):
        assert wire.read_value(wire.write_value(value)) == value
