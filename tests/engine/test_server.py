"""The server as a client sees it: answers, refusals with details, health, reflection and the way it stops."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import grpc.aio
import pytest
from google.protobuf import descriptor_database, descriptor_pb2, descriptor_pool, json_format, message_factory
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from serving import (
    CARD_SUPPORT,
    KEY,
    TWICE,
    Server,
    checked,
    says,
    scripted_agent,
    server,
    start,
    suggest,
    turn,
)

from charter.engine.audit import verify
from charter.v1 import conversations_pb2 as pb

LOST, HOURS = suggest("lost_card", "0.93", "I lost my card"), suggest("opening_hours", "0.9", "When are you open?")
HANG = '{"utterance": "hm", "hang": true}'


@asynccontextmanager
async def serving(folder: Path, text: str = CARD_SUPPORT, *, reflection: bool = False) -> AsyncIterator[Server]:
    """A server with a scripted `classify`; its audit log verifies in the end."""
    program = checked(folder / "policy", text)
    store = folder / "charter.db"
    async with (
        scripted_agent(folder, LOST, HOURS, HANG) as address,
        server(program, store, {"classify": address}, reflection=reflection) as running,
    ):
        yield running
    assert verify(f"sqlite:///{store}", KEY).intact


def new() -> str:
    return str(uuid.uuid4())


@dataclass
class Error:
    """An error of a call, with its details."""

    code: grpc.StatusCode
    fields: list[str]
    reason: str
    retry: bool
    message: str = field(default="", compare=False)


async def error(call: object) -> Error:
    """The error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call  # type: ignore[misc]
    found = Error(raised.value.code(), [], "", False, raised.value.details() or "")
    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type]  # the error of an aio call will do
    for detail in status.details if status else ():
        for kind in (BadRequest, ErrorInfo, RetryInfo):
            message = kind()
            if detail.Unpack(message):
                match message:
                    case BadRequest():
                        found.fields = [violation.field for violation in message.field_violations]
                    case ErrorInfo():
                        found.reason = message.reason
                    case RetryInfo():
                        found.retry = message.retry_delay.ToMilliseconds() > 0
    return found


async def test_a_conversation_from_start_to_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        name = new()
        greeting = await at.stub.Turn(start(name, language="de"))
        assert [act.WhichOneof("kind") for act in greeting.acts] == ["disclose", "say"]
        assert greeting.acts[1].say == pb.Speech(name="how_can_i_help", text="Wie kann ich helfen?", language="de")
        answer = await at.stub.Turn(says(name, "When are you open?"))
        assert [act.say.name for act in answer.acts] == ["opening_hours"]
        transfer = await at.stub.Turn(says(name, "I lost my card"))
        assert transfer.open
        assert transfer.acts[0].escalate.queue == "card_desk"
        assert list(transfer.acts[0].escalate.reasons) == ["lost card"]
        assert transfer.acts[0].escalate.within.ToMilliseconds() == 20_000
        end = await at.stub.Turn(turn(name, escalated=pb.Escalated(queue="card_desk")))
        assert end.over
        assert not end.acts
        where = await at.stub.GetConversation(pb.GetConversationRequest(conversation_id=name))
        assert (where.policy, where.events, where.open, where.over) == ("card_support", 6, False, True)
        assert len(where.policy_digest) == 64


async def test_explain_says_what_came_which_rules_fired_on_which_facts_and_what_was_done(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        name, request = new(), new()
        await at.stub.Turn(start(name))
        await at.stub.Turn(says(name, "I lost my card", request))
        everything = await at.stub.Explain(pb.ExplainRequest(conversation_id=name))
        assert [decision.event for decision in everything.decisions] == ["start", "utterance", "classify"]
        only = await at.stub.Explain(pb.ExplainRequest(conversation_id=name, request_id=request))
        assert list(only.decisions) == list(everything.decisions[1:])
        heard, answered = only.decisions
        assert heard.fields[0].value.text == "I lost my card"
        assert list(heard.acts) == ["ask classify"]
        assert not heard.HasField("answering")
        assert [(field.name, field.value.symbol or field.value.decimal) for field in answered.fields] == [
            ("intent", "lost_card"),
            ("confidence", "0.93"),
        ]
        (rule,) = answered.fired
        assert (rule.rule, rule.file, rule.line) == ("lost", "policy.charter", line_of("rule lost"))
        assert list(rule.acts) == ["escalate card_desk"]
        assert [(fact.name, fact.value.decimal) for fact in rule.facts] == [("classify.confidence", "0.93")]
        assert list(answered.acts) == ["escalate card_desk"]
        assert answered.sequence == 3
        assert answered.request_id == request
        assert answered.deciding.ToMicroseconds() > 0
        assert answered.answering.ToMicroseconds() > 0


WATCHED = (
    CARD_SUPPORT
    + """
rule greet_again on start  do say how_can_i_help
rule said on silence       do say opening_hours
require recording_first  "nothing is said before the notice"
  disclose recording before say any
require never_hours  "no hours are told"
  cites "Handbook 1"
  never say opening_hours
"""
)


async def test_explain_says_which_rule_asked_for_what_and_which_requirements_looked_on(tmp_path: Path) -> None:
    async with serving(tmp_path, text=WATCHED) as at:
        name = new()
        await at.stub.Turn(start(name))
        await at.stub.Turn(pb.TurnRequest(conversation_id=name, request_id=new(), silence=pb.Silence()))
        begun, stopped = (await at.stub.Explain(pb.ExplainRequest(conversation_id=name))).decisions
        assert [(rule.rule, list(rule.acts)) for rule in begun.fired] == [
            ("greet", ["disclose recording", "say how_can_i_help"]),
            ("greet_again", ["say how_can_i_help"]),
        ]
        assert [(one.requirement, one.broken) for one in begun.monitors] == [("recording_first", False)]
        assert not any(rule.acts for rule in stopped.fired)
        (never,) = (one for one in stopped.monitors if one.broken)
        assert (never.requirement, never.text, never.cites) == ("never_hours", "no hours are told", "Handbook 1")
        assert (never.file, never.line) == ("policy.charter", len(WATCHED.splitlines()) - 2)


def line_of(words: str) -> int:
    return next(i for i, line in enumerate(CARD_SUPPORT.splitlines(), 1) if line.startswith(words))


async def test_the_same_request_gets_the_same_bytes_and_another_body_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        name, request = new(), new()
        begun = start(name)
        first = await at.stub.Turn(begun)
        assert (await at.stub.Turn(begun)).SerializeToString() == first.SerializeToString()
        both = await asyncio.gather(
            at.stub.Turn(says(name, "When are you open?", request)),
            at.stub.Turn(says(name, "When are you open?", request)),
        )
        assert both[0].SerializeToString() == both[1].SerializeToString()
        refused = await error(at.stub.Turn(says(name, "Something else", request)))
        assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
        where = await at.stub.GetConversation(pb.GetConversationRequest(conversation_id=name))
        assert where.events == 3


async def test_names_of_conversations_and_requests_may_be_in_capitals(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        name = new()
        await at.stub.Turn(start(name.upper()))
        assert (await at.stub.Turn(says(name, "When are you open?"))).acts


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.TurnRequest(), ["event", "conversation_id", "request_id"]),
        (turn("x", silence=pb.Silence()), ["conversation_id"]),
        (turn(new(), "x", silence=pb.Silence()), ["request_id"]),
        (turn(new()), ["event"]),
        (turn(new(), utterance=pb.Utterance()), ["utterance.text"]),
        (turn(new(), utterance=pb.Utterance(text="x" * 8193)), ["utterance.text"]),
        (turn(new(), keys=pb.Keys(digits="one")), ["keys.digits"]),
        (turn(new(), start=pb.Start(policy="card_support", language="en")), ["start.channel"]),
        (turn(new(), start=pb.Start(policy="other", channel=pb.CHANNEL_VOICE, language="en")), ["start.policy"]),
        (
            turn(new(), start=pb.Start(policy="card_support", channel=pb.CHANNEL_VOICE, language="fr")),
            ["start.language"],
        ),
        (
            turn(new(), start=pb.Start(policy="card_support", channel=cast("pb.Channel", 9), language="en")),
            ["start.channel"],
        ),
        (turn(new(), escalated=pb.Escalated(queue="nowhere")), ["escalated.queue"]),
        (turn(new(), escalate_failed=pb.EscalateFailed(queue="nowhere")), ["escalate_failed.queue"]),
    ],
)
async def test_a_request_that_is_not_valid_names_the_field(
    tmp_path: Path, request_: pb.TurnRequest, fields: list[str]
) -> None:
    async with serving(tmp_path) as at:
        refused = await error(at.stub.Turn(request_))
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert refused.fields == fields


async def test_an_oversized_message_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        refused = await error(at.stub.Turn(says(new(), "x" * 300_000)))
        assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_what_comes_at_the_wrong_time_says_why(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        name = new()
        early = await error(at.stub.Turn(says(name, "hello")))
        assert (early.code, early.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CONVERSATION_NOT_STARTED")
        await at.stub.Turn(start(name))
        again = await error(at.stub.Turn(start(name)))
        assert (again.code, again.reason) == (grpc.StatusCode.ALREADY_EXISTS, "CONVERSATION_STARTED")
        nobody = await error(at.stub.Turn(turn(name, escalated=pb.Escalated(queue="general"))))
        assert (nobody.code, nobody.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "EVENT_NOT_EXPECTED")
        await at.stub.Turn(turn(name, hangup=pb.Hangup()))
        late = await error(at.stub.Turn(says(name, "hello?")))
        assert (late.code, late.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CONVERSATION_OVER")
        where = await at.stub.GetConversation(pb.GetConversationRequest(conversation_id=name))
        assert where.events == 2  # what was refused changed nothing


async def test_a_conversation_that_nobody_knows_is_not_found(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        for call in (
            at.stub.GetConversation(pb.GetConversationRequest(conversation_id=new())),
            at.stub.Explain(pb.ExplainRequest(conversation_id=new())),
        ):
            unknown = await error(call)
            assert (unknown.code, unknown.reason) == (grpc.StatusCode.NOT_FOUND, "CONVERSATION_UNKNOWN")


async def test_an_answer_comes_before_the_callers_deadline(tmp_path: Path) -> None:
    patient = CARD_SUPPORT.replace("within 300 ms", "within 60 s")
    async with serving(tmp_path, patient) as at:
        name = new()
        await at.stub.Turn(start(name))
        answer = await at.stub.Turn(says(name, "hm"), timeout=1.0)  # `hm` hangs; half a second is kept back
        assert answer.acts[0].escalate.queue == "general"
        assert list(answer.acts[0].escalate.reasons) == ["not understood: late"]


async def test_a_deadline_too_short_to_ask_anybody_is_the_policys_failure(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        name = new()
        await at.stub.Turn(start(name))
        answer = await at.stub.Turn(says(name, "When are you open?"), timeout=0.45)
        assert answer.acts[0].escalate.queue == "general"


async def test_an_agent_that_is_down_is_a_warning_and_then_the_policys_failure(tmp_path: Path) -> None:
    async with server(checked(tmp_path / "policy"), tmp_path / "charter.db", {"classify": "127.0.0.1:1"}) as at:
        assert at.warnings == ["agent `classify` at 127.0.0.1:1 does not answer (UNAVAILABLE): its asks fail"]
        name = new()
        await at.stub.Turn(start(name))
        answer = await at.stub.Turn(says(name, "When are you open?"))
        assert list(answer.acts[0].escalate.reasons) == ["not understood: error"]


async def test_health_is_told_and_says_when_the_server_stops(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        health = health_pb2_grpc.HealthStub(at.channel)
        for service in ("", "charter.v1.Conversations"):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_is_there_only_when_asked_for(tmp_path: Path) -> None:
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    for folder, wanted in ((tmp_path / "on", True), (tmp_path / "off", False)):
        folder.mkdir()
        async with serving(folder, reflection=wanted) as at:
            call = reflection_pb2_grpc.ServerReflectionStub(at.channel).ServerReflectionInfo(iter([asked]))
            if wanted:
                answer = await anext(aiter(call))
                names = {service.name for service in answer.list_services_response.service}
                assert "charter.v1.Conversations" in names
            else:
                assert (await error(anext(aiter(call)))).code is grpc.StatusCode.UNIMPLEMENTED


async def test_a_client_that_knows_only_what_reflection_says_can_take_a_turn(tmp_path: Path) -> None:
    async with serving(tmp_path, reflection=True) as at:
        files = descriptor_database.DescriptorDatabase()
        asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol="charter.v1.Conversations")
        call = reflection_pb2_grpc.ServerReflectionStub(at.channel).ServerReflectionInfo(iter([asked]))
        answer = await anext(aiter(call))
        for file in answer.file_descriptor_response.file_descriptor_proto:
            files.Add(descriptor_pb2.FileDescriptorProto.FromString(file))
        service = descriptor_pool.DescriptorPool(files).FindServiceByName("charter.v1.Conversations")
        method = service.FindMethodByName("Turn")
        request, response = (message_factory.GetMessageClass(one) for one in (method.input_type, method.output_type))
        begin = {"policy": "card_support", "channel": "CHANNEL_CHAT", "language": "en"}
        said = {"conversationId": new(), "requestId": new(), "start": begin}
        turning = at.channel.unary_unary(
            "/charter.v1.Conversations/Turn",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        acts = json_format.MessageToDict(await turning(json_format.ParseDict(said, request())))["acts"]
        assert acts[0]["disclose"]["text"] == "This call is recorded."


async def test_a_server_that_stops_answers_what_it_took(tmp_path: Path) -> None:
    patient = CARD_SUPPORT.replace("within 300 ms", "within 700 ms")
    async with serving(tmp_path, patient) as at:
        name = new()
        await at.stub.Turn(start(name))
        request = says(name, "hm")
        call = at.stub.Turn(request)
        while (await where(at, name)).events < 2:  # until the agent is asked
            pass
        at.stop.set()
        assert (await call).acts[0].escalate.queue == "general"
        await at.ended


async def where(at: Server, name: str) -> pb.GetConversationResponse:
    return await at.stub.GetConversation(pb.GetConversationRequest(conversation_id=name))


async def test_a_conversation_of_another_version_of_the_policy_is_not_touched(tmp_path: Path) -> None:
    name = new()
    async with serving(tmp_path) as at:
        await at.stub.Turn(start(name))
    async with serving(tmp_path, CARD_SUPPORT + "\n# another version\n") as at:
        for call in (at.stub.Turn(says(name, "hm")), at.stub.Explain(pb.ExplainRequest(conversation_id=name))):
            refused = await error(call)
            assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "POLICY_NOT_SERVED")


async def test_an_ask_beyond_its_bound_is_explained_as_exhausted(tmp_path: Path) -> None:
    async with server(checked(tmp_path / "policy", TWICE), tmp_path / "charter.db") as at:
        name = new()
        await at.stub.Turn(start(name))
        answer = await at.stub.Turn(says(name, "hm"))
        assert answer.acts[0].escalate.queue == "general"
        explained = await at.stub.Explain(pb.ExplainRequest(conversation_id=name))
        assert [list(decision.acts) for decision in explained.decisions[1:]] == [
            ["ask classify"],
            ["exhausted classify"],
            ["escalate general"],
        ]


async def test_two_servers_share_a_store_and_take_turns_of_one_conversation(tmp_path: Path) -> None:
    program = checked(tmp_path / "policy")
    store = tmp_path / "charter.db"
    async with (
        scripted_agent(tmp_path, LOST, HOURS) as address,
        server(program, store, {"classify": address}) as one,
        server(program, store, {"classify": address}) as other,
    ):
        name = new()
        await one.stub.Turn(start(name))
        for at in (other, one, other):
            answer = await at.stub.Turn(says(name, "When are you open?"))
            assert [act.say.name for act in answer.acts] == ["opening_hours"]
        assert (await where(one, name)).events == 7
    assert verify(f"sqlite:///{store}", KEY).intact
