"""What a request reports is one event of the policy, or names the field that does not fit it."""

from pathlib import Path

import pytest
from bank import BANK
from serving import checked

from charter.dsl.program import Program
from charter.dsl.types import Value
from charter.engine.conversation.refused import Refused, Why
from charter.engine.serve.events import Incoming, incoming
from charter.v1 import conversations_pb2 as pb
from charter.v1.tools_pb2 import Refused as NotDone
from charter.v1.values_pb2 import Field, Record
from charter.v1.values_pb2 import Value as Message


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    folder: Path = tmp_path_factory.mktemp("bank")
    return checked(folder, BANK)


def begin(language: str = "en", policy: str = "bank", **more: str) -> pb.Start:
    fields = [Field(name=name, value=Message(id=value)) for name, value in more.items()]
    return pb.Start(policy=policy, channel=pb.CHANNEL_CHAT, language=language, fields=fields)


def amount(value: int) -> Record:
    return Record(fields=[Field(name="amount", value=Message(integer=value))])


PAID = Record(fields=[Field(name="done", value=Message(boolean=True))])


@pytest.mark.parametrize(
    ("request_", "kind", "fields"),
    [
        (
            pb.TurnRequest(start=begin("de")),
            "start",
            {"channel": "chat", "language": "de", "caller": None, "segment": None},
        ),
        (
            pb.TurnRequest(start=begin(segment="gold")),
            "start",
            {"channel": "chat", "language": "en", "caller": None, "segment": "gold"},
        ),
        (pb.TurnRequest(utterance=pb.Utterance(text="Hi")), "utterance", {"text": "Hi"}),
        (pb.TurnRequest(keys=pb.Keys(digits="1#")), "keys", {"digits": "1#"}),
        (pb.TurnRequest(silence=pb.Silence()), "silence", {}),
        (pb.TurnRequest(interrupt=pb.Interrupt()), "interrupt", {}),
        (pb.TurnRequest(hangup=pb.Hangup()), "hangup", {}),
        (pb.TurnRequest(heard=pb.Heard(disclosure="notice")), "heard notice", {}),
        (pb.TurnRequest(cut=pb.Cut(disclosure="notice")), "cut notice", {}),
        (pb.TurnRequest(escalated=pb.Escalated(queue="general")), "escalated general", {}),
        (
            pb.TurnRequest(escalate_failed=pb.EscalateFailed(queue="general")),
            "escalate general fails",
            {"reason": "error"},
        ),
        (
            pb.TurnRequest(escalate_failed=pb.EscalateFailed(queue="desk", reason=pb.FAILURE_REASON_LATE)),
            "escalate desk fails",
            {"reason": "late"},
        ),
        (
            pb.TurnRequest(collected=pb.Collected(name="limit", value=Message(integer=5))),
            "collected limit",
            {"value": 5},
        ),
        (
            pb.TurnRequest(collect_failed=pb.CollectFailed(name="limit", reason=pb.FAILURE_REASON_INVALID)),
            "collect limit fails",
            {"reason": "invalid"},
        ),
        (
            pb.TurnRequest(outside=pb.Outside(name="paused", fields=[Field(name="by", value=Message(id="a"))])),
            "paused",
            {"by": "a"},
        ),
        (
            pb.TurnRequest(settled=pb.Settled(tool="pay", arguments=amount(7), result=PAID)),
            "pay",
            {"amount": 7, "done": True},
        ),
        (
            pb.TurnRequest(settled=pb.Settled(tool="pay", arguments=amount(7), refused=NotDone(reason="no"))),
            "pay fails",
            {"amount": 7, "reason": "error"},
        ),
    ],
)
def test_a_request_is_the_event_that_it_reports(
    program: Program, request_: pb.TurnRequest, kind: str, fields: dict[str, Value]
) -> None:
    found = incoming(program, request_)
    assert isinstance(found, Incoming), found
    assert (found.kind, dict(found.fields)) == (kind, fields)
    assert set(found.fields) == {name for name, _ in program.events[found.kind].fields}


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.TurnRequest(start=begin(policy="other")), "start.policy"),
        (pb.TurnRequest(start=begin("fr")), "start.language"),
        (pb.TurnRequest(start=begin(colour="red")), "start.fields"),
        (pb.TurnRequest(utterance=pb.Utterance(text="x", fields=[Field(name="x")])), "utterance.fields"),
        (pb.TurnRequest(heard=pb.Heard(disclosure="nothing")), "heard.disclosure"),
        (pb.TurnRequest(cut=pb.Cut(disclosure="hello")), "cut.disclosure"),
        (pb.TurnRequest(escalated=pb.Escalated(queue="nowhere")), "escalated.queue"),
        (pb.TurnRequest(escalate_failed=pb.EscalateFailed(queue="nowhere")), "escalate_failed.queue"),
        (pb.TurnRequest(collected=pb.Collected(name="card", value=Message(id="1"))), "collected.name"),
        (pb.TurnRequest(collected=pb.Collected(name="limit", value=Message(id="1"))), "collected.value"),
        (pb.TurnRequest(collected=pb.Collected(name="limit", value=Message(integer=5001))), "collected.value"),
        (pb.TurnRequest(collect_failed=pb.CollectFailed(name="card")), "collect_failed.name"),
        (pb.TurnRequest(outside=pb.Outside(name="rain")), "outside.name"),
        (pb.TurnRequest(outside=pb.Outside(name="paused")), "outside.fields"),
        *(
            (pb.TurnRequest(outside=pb.Outside(name=name)), "outside.name")
            for name in ("start", "hangup", "classify", "classify fails", "find", "timer still", "escalated general")
        ),
        (pb.TurnRequest(settled=pb.Settled(tool="classify", arguments=amount(1), result=PAID)), "settled.tool"),
        (pb.TurnRequest(settled=pb.Settled(tool="pay", arguments=PAID, result=PAID)), "settled.arguments"),
        (pb.TurnRequest(settled=pb.Settled(tool="pay", arguments=amount(1), result=amount(1))), "settled.result"),
    ],
)
def test_what_does_not_fit_the_policy_names_the_field(program: Program, request_: pb.TurnRequest, field: str) -> None:
    found = incoming(program, request_)
    assert isinstance(found, Refused), found
    assert (found.why, found.field) == (Why.INVALID, field)
    assert found.detail
    assert not found.detail.startswith(field)  # the error has the field before it
    assert found.detail


def test_every_event_of_the_contract_is_read(program: Program) -> None:
    events = pb.TurnRequest.DESCRIPTOR.oneofs_by_name["event"].fields
    assert events
    for event in events:
        request = pb.TurnRequest()
        getattr(request, event.name).SetInParent()
        assert incoming(program, request)
