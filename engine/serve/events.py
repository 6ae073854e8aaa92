"""What a request reports, as an event of the policy: parsed once, where it comes in."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias, assert_never

from charter.dsl.program import EventKind, Program
from charter.dsl.types import Type, Value
from charter.dsl.values import Misfit
from charter.engine.conversation.asks import Reason
from charter.engine.conversation.messages import from_message, from_record
from charter.engine.conversation.refused import Refused, Why
from charter.v1 import conversations_pb2 as pb
from charter.v1 import values_pb2

CHANNELS: Mapping[pb.Channel, str] = {
    pb.CHANNEL_VOICE: "voice",
    pb.CHANNEL_CHAT: "chat",
    pb.CHANNEL_MESSAGE: "message",
}
_REASONS: Mapping[pb.FailureReason, Reason] = {
    pb.FAILURE_REASON_LATE: Reason.LATE,
    pb.FAILURE_REASON_INVALID: Reason.INVALID,
}
_Fields: TypeAlias = dict[str, Value]


class Incoming(NamedTuple):
    """An event from outside, with every declared field of its kind."""

    kind: EventKind
    fields: Mapping[str, Value]


class _Unfit(Exception):
    """A field does not fit the policy."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field, self.detail = field, detail


def incoming(program: Program, request: pb.TurnRequest) -> Incoming | Refused:
    """The event that a request reports, which keeps to the rules of its contract; refused where the policy has no such
    event, or other fields."""
    try:
        return _Reading(program).event(request)
    except _Unfit as unfit:
        return Refused(Why.INVALID, unfit.detail, unfit.field)


class _Reading:
    """Reads events for one policy; raises `_Unfit`."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def event(self, request: pb.TurnRequest) -> Incoming:
        match request.WhichOneof("event"):
            case "start":
                return self._start(request.start)
            case "utterance":
                text: _Fields = {"text": request.utterance.text}
                return self._built_in("utterance", text, request.utterance.fields)
            case "keys":
                return self._built_in("keys", {"digits": request.keys.digits}, request.keys.fields)
            case "silence":
                return self._built_in("silence", {}, request.silence.fields)
            case "interrupt":
                return self._built_in("interrupt", {}, request.interrupt.fields)
            case "hangup":
                return self._built_in("hangup", {}, request.hangup.fields)
            case "escalated":
                return Incoming(self._queue("escalated {}", request.escalated.queue, "escalated.queue"), {})
            case "escalate_failed":
                failed = request.escalate_failed
                kind = self._queue("escalate {} fails", failed.queue, "escalate_failed.queue")
                return Incoming(kind, _reason(failed.reason))
            case "heard":
                return Incoming(self._played("heard", request.heard.disclosure), {})
            case "cut":
                return Incoming(self._played("cut", request.cut.disclosure), {})
            case "collected":
                kind = self._collects("collected {}", request.collected.name, "collected.name")
                ((name, type_),) = self._program.events[kind].fields
                return Incoming(kind, {name: self._value(request.collected.value, type_, "collected.value")})
            case "collect_failed":
                kind = self._collects("collect {} fails", request.collect_failed.name, "collect_failed.name")
                return Incoming(kind, _reason(request.collect_failed.reason))
            case "outside":
                return self._outside(request.outside)
            case "settled":
                return self._settled(request.settled)
            case None:
                raise TypeError("a request without an event is not valid")
            case other:
                assert_never(other)

    def _start(self, start: pb.Start) -> Incoming:
        program = self._program
        if start.policy != program.name:
            raise _Unfit("start.policy", f"the policy served here is `{program.name}`")
        if start.language not in program.languages:
            raise _Unfit("start.language", f"the policy speaks {', '.join(program.languages)}")
        fields: _Fields = {"channel": CHANNELS[start.channel], "language": start.language}
        return self._built_in("start", fields | {"caller": start.caller or None}, start.fields)

    def _built_in(self, kind: str, own: _Fields, more: Iterable[values_pb2.Field]) -> Incoming:
        added = [(name, type_) for name, type_ in self._program.events[EventKind(kind)].fields if name not in own]
        return Incoming(EventKind(kind), own | self._fields(more, added, f"{kind}.fields"))

    def _queue(self, pattern: str, queue: str, field: str) -> EventKind:
        if queue not in self._program.queues:
            raise _Unfit(field, f"the policy has no queue `{queue}`")
        return EventKind(pattern.format(queue))

    def _played(self, verb: str, disclosure: str) -> EventKind:
        kind = EventKind(f"{verb} {disclosure}")
        if kind not in self._program.events:
            raise _Unfit(f"{verb}.disclosure", f"the policy has no disclosure `{disclosure}`")
        return kind

    def _collects(self, pattern: str, name: str, field: str) -> EventKind:
        kind = EventKind(pattern.format(name))
        if kind not in self._program.events:
            raise _Unfit(field, f"the policy does not collect `{name}`")
        return kind

    def _outside(self, outside: pb.Outside) -> Incoming:
        program, kind = self._program, EventKind(outside.name)
        if kind not in program.events or not _declared(program, outside.name):
            raise _Unfit("outside.name", f"the policy declares no event `{outside.name}`")
        return Incoming(kind, self._fields(outside.fields, program.events[kind].fields, "outside.fields"))

    def _settled(self, settled: pb.Settled) -> Incoming:
        tool = self._program.tools.get(settled.tool)
        if tool is None:
            raise _Unfit("settled.tool", f"the policy has no tool `{settled.tool}`")
        args = self._fields(settled.arguments.fields, tool.args, "settled.arguments")
        if settled.HasField("refused"):
            return Incoming(EventKind(f"{tool.name} fails"), args | {"reason": Reason.ERROR.value})
        results = [(name, type_) for name, type_ in tool.returns if name not in args]
        return Incoming(EventKind(tool.name), args | self._fields(settled.result.fields, results, "settled.result"))

    def _fields(self, given: Iterable[values_pb2.Field], declared: Iterable[tuple[str, Type]], where: str) -> _Fields:
        try:
            return from_record(given, tuple(declared), where)
        except Misfit as misfit:
            raise _unfit(misfit) from misfit

    def _value(self, value: values_pb2.Value, type_: Type, where: str) -> Value:
        try:
            return from_message(value, type_, where)
        except Misfit as misfit:
            raise _unfit(misfit) from misfit


def _unfit(misfit: Misfit) -> "_Unfit":
    """The field and what is wrong with it, which the misfit names in this order."""
    field, _, detail = str(misfit).partition(": ")
    return _Unfit(field, detail)


def _declared(program: Program, name: str) -> bool:
    """Whether it is an event that the policy declares, none of those that every conversation or every tool has."""
    built_in = ("start", "utterance", "keys", "silence", "interrupt", "hangup")
    return " " not in name and name not in built_in and name not in program.agents and name not in program.tools


def _reason(reason: pb.FailureReason) -> _Fields:
    return {"reason": _REASONS.get(reason, Reason.ERROR).value}
