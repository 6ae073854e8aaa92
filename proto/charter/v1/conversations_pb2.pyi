import datetime

from charter.v1 import buf_validate_pb2 as _validate_pb2
from charter.v1 import tools_pb2 as _tools_pb2
from charter.v1 import values_pb2 as _values_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Channel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANNEL_UNSPECIFIED: _ClassVar[Channel]
    CHANNEL_VOICE: _ClassVar[Channel]
    CHANNEL_CHAT: _ClassVar[Channel]
    CHANNEL_MESSAGE: _ClassVar[Channel]

class FailureReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_REASON_UNSPECIFIED: _ClassVar[FailureReason]
    FAILURE_REASON_LATE: _ClassVar[FailureReason]
    FAILURE_REASON_ERROR: _ClassVar[FailureReason]
    FAILURE_REASON_INVALID: _ClassVar[FailureReason]
CHANNEL_UNSPECIFIED: Channel
CHANNEL_VOICE: Channel
CHANNEL_CHAT: Channel
CHANNEL_MESSAGE: Channel
FAILURE_REASON_UNSPECIFIED: FailureReason
FAILURE_REASON_LATE: FailureReason
FAILURE_REASON_ERROR: FailureReason
FAILURE_REASON_INVALID: FailureReason

class TurnRequest(_message.Message):
    __slots__ = ("conversation_id", "request_id", "start", "utterance", "keys", "silence", "hangup", "escalated", "escalate_failed", "interrupt", "heard", "cut", "collected", "collect_failed", "outside", "settled")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    SILENCE_FIELD_NUMBER: _ClassVar[int]
    HANGUP_FIELD_NUMBER: _ClassVar[int]
    ESCALATED_FIELD_NUMBER: _ClassVar[int]
    ESCALATE_FAILED_FIELD_NUMBER: _ClassVar[int]
    INTERRUPT_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    CUT_FIELD_NUMBER: _ClassVar[int]
    COLLECTED_FIELD_NUMBER: _ClassVar[int]
    COLLECT_FAILED_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    request_id: str
    start: Start
    utterance: Utterance
    keys: Keys
    silence: Silence
    hangup: Hangup
    escalated: Escalated
    escalate_failed: EscalateFailed
    interrupt: Interrupt
    heard: Heard
    cut: Cut
    collected: Collected
    collect_failed: CollectFailed
    outside: Outside
    settled: Settled
    def __init__(self, conversation_id: _Optional[str] = ..., request_id: _Optional[str] = ..., start: _Optional[_Union[Start, _Mapping]] = ..., utterance: _Optional[_Union[Utterance, _Mapping]] = ..., keys: _Optional[_Union[Keys, _Mapping]] = ..., silence: _Optional[_Union[Silence, _Mapping]] = ..., hangup: _Optional[_Union[Hangup, _Mapping]] = ..., escalated: _Optional[_Union[Escalated, _Mapping]] = ..., escalate_failed: _Optional[_Union[EscalateFailed, _Mapping]] = ..., interrupt: _Optional[_Union[Interrupt, _Mapping]] = ..., heard: _Optional[_Union[Heard, _Mapping]] = ..., cut: _Optional[_Union[Cut, _Mapping]] = ..., collected: _Optional[_Union[Collected, _Mapping]] = ..., collect_failed: _Optional[_Union[CollectFailed, _Mapping]] = ..., outside: _Optional[_Union[Outside, _Mapping]] = ..., settled: _Optional[_Union[Settled, _Mapping]] = ...) -> None: ...

class Start(_message.Message):
    __slots__ = ("policy", "channel", "language", "caller", "fields")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    policy: str
    channel: Channel
    language: str
    caller: str
    fields: _containers.RepeatedCompositeFieldContainer[_values_pb2.Field]
    def __init__(self, policy: _Optional[str] = ..., channel: _Optional[_Union[Channel, str]] = ..., language: _Optional[str] = ..., caller: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[_values_pb2.Field, _Mapping]]] = ...) -> None: ...

class Utterance(_message.Message):
    __slots__ = ("text", "fields")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    text: str
    fields: _containers.RepeatedCompositeFieldContainer[_values_pb2.Field]
    def __init__(self, text: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[_values_pb2.Field, _Mapping]]] = ...) -> None: ...

class Keys(_message.Message):
    __slots__ = ("digits", "fields")
    DIGITS_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    digits: str
    fields: _containers.RepeatedCompositeFieldContainer[_values_pb2.Field]
    def __init__(self, digits: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[_values_pb2.Field, _Mapping]]] = ...) -> None: ...

class Silence(_message.Message):
    __slots__ = ("fields",)
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    fields: _containers.RepeatedCompositeFieldContainer[_values_pb2.Field]
    def __init__(self, fields: _Optional[_Iterable[_Union[_values_pb2.Field, _Mapping]]] = ...) -> None: ...

class Hangup(_message.Message):
    __slots__ = ("fields",)
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    fields: _containers.RepeatedCompositeFieldContainer[_values_pb2.Field]
    def __init__(self, fields: _Optional[_Iterable[_Union[_values_pb2.Field, _Mapping]]] = ...) -> None: ...

class Interrupt(_message.Message):
    __slots__ = ("fields",)
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    fields: _containers.RepeatedCompositeFieldContainer[_values_pb2.Field]
    def __init__(self, fields: _Optional[_Iterable[_Union[_values_pb2.Field, _Mapping]]] = ...) -> None: ...

class Escalated(_message.Message):
    __slots__ = ("queue",)
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    def __init__(self, queue: _Optional[str] = ...) -> None: ...

class EscalateFailed(_message.Message):
    __slots__ = ("queue", "reason")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    queue: str
    reason: FailureReason
    def __init__(self, queue: _Optional[str] = ..., reason: _Optional[_Union[FailureReason, str]] = ...) -> None: ...

class Heard(_message.Message):
    __slots__ = ("disclosure",)
    DISCLOSURE_FIELD_NUMBER: _ClassVar[int]
    disclosure: str
    def __init__(self, disclosure: _Optional[str] = ...) -> None: ...

class Cut(_message.Message):
    __slots__ = ("disclosure",)
    DISCLOSURE_FIELD_NUMBER: _ClassVar[int]
    disclosure: str
    def __init__(self, disclosure: _Optional[str] = ...) -> None: ...

class Collected(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: _values_pb2.Value
    def __init__(self, name: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...

class CollectFailed(_message.Message):
    __slots__ = ("name", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: FailureReason
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[_Union[FailureReason, str]] = ...) -> None: ...

class Outside(_message.Message):
    __slots__ = ("name", "fields")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    fields: _containers.RepeatedCompositeFieldContainer[_values_pb2.Field]
    def __init__(self, name: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[_values_pb2.Field, _Mapping]]] = ...) -> None: ...

class Settled(_message.Message):
    __slots__ = ("tool", "arguments", "result", "refused")
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    tool: str
    arguments: _values_pb2.Record
    result: _values_pb2.Record
    refused: _tools_pb2.Refused
    def __init__(self, tool: _Optional[str] = ..., arguments: _Optional[_Union[_values_pb2.Record, _Mapping]] = ..., result: _Optional[_Union[_values_pb2.Record, _Mapping]] = ..., refused: _Optional[_Union[_tools_pb2.Refused, _Mapping]] = ...) -> None: ...

class TurnResponse(_message.Message):
    __slots__ = ("conversation_id", "request_id", "acts", "open", "over")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ACTS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    OVER_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    request_id: str
    acts: _containers.RepeatedCompositeFieldContainer[Act]
    open: bool
    over: bool
    def __init__(self, conversation_id: _Optional[str] = ..., request_id: _Optional[str] = ..., acts: _Optional[_Iterable[_Union[Act, _Mapping]]] = ..., open: _Optional[bool] = ..., over: _Optional[bool] = ...) -> None: ...

class ConverseRequest(_message.Message):
    __slots__ = ("turn", "follow")
    TURN_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    turn: TurnRequest
    follow: Follow
    def __init__(self, turn: _Optional[_Union[TurnRequest, _Mapping]] = ..., follow: _Optional[_Union[Follow, _Mapping]] = ...) -> None: ...

class Follow(_message.Message):
    __slots__ = ("conversation_id", "after")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    after: int
    def __init__(self, conversation_id: _Optional[str] = ..., after: _Optional[int] = ...) -> None: ...

class ConverseResponse(_message.Message):
    __slots__ = ("step", "answer", "refusal")
    STEP_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    step: Step
    answer: TurnResponse
    refusal: Refusal
    def __init__(self, step: _Optional[_Union[Step, _Mapping]] = ..., answer: _Optional[_Union[TurnResponse, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("sequence", "request_id", "acts", "open", "over")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ACTS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    OVER_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    request_id: str
    acts: _containers.RepeatedCompositeFieldContainer[Act]
    open: bool
    over: bool
    def __init__(self, sequence: _Optional[int] = ..., request_id: _Optional[str] = ..., acts: _Optional[_Iterable[_Union[Act, _Mapping]]] = ..., open: _Optional[bool] = ..., over: _Optional[bool] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("request_id", "code", "reason", "field", "message", "retry_after")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    code: int
    reason: str
    field: str
    message: str
    retry_after: _duration_pb2.Duration
    def __init__(self, request_id: _Optional[str] = ..., code: _Optional[int] = ..., reason: _Optional[str] = ..., field: _Optional[str] = ..., message: _Optional[str] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Act(_message.Message):
    __slots__ = ("disclose", "say", "escalate", "end", "collect", "sequence")
    DISCLOSE_FIELD_NUMBER: _ClassVar[int]
    SAY_FIELD_NUMBER: _ClassVar[int]
    ESCALATE_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    COLLECT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    disclose: Speech
    say: Speech
    escalate: Escalate
    end: End
    collect: Collect
    sequence: int
    def __init__(self, disclose: _Optional[_Union[Speech, _Mapping]] = ..., say: _Optional[_Union[Speech, _Mapping]] = ..., escalate: _Optional[_Union[Escalate, _Mapping]] = ..., end: _Optional[_Union[End, _Mapping]] = ..., collect: _Optional[_Union[Collect, _Mapping]] = ..., sequence: _Optional[int] = ...) -> None: ...

class Speech(_message.Message):
    __slots__ = ("name", "text", "language")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    text: str
    language: str
    def __init__(self, name: _Optional[str] = ..., text: _Optional[str] = ..., language: _Optional[str] = ...) -> None: ...

class Escalate(_message.Message):
    __slots__ = ("queue", "reasons", "within")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    queue: str
    reasons: _containers.RepeatedScalarFieldContainer[str]
    within: _duration_pb2.Duration
    def __init__(self, queue: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ..., within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Collect(_message.Message):
    __slots__ = ("name", "type", "symbols")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    symbols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., symbols: _Optional[_Iterable[str]] = ...) -> None: ...

class End(_message.Message):
    __slots__ = ("reasons",)
    REASONS_FIELD_NUMBER: _ClassVar[int]
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, reasons: _Optional[_Iterable[str]] = ...) -> None: ...

class GetConversationRequest(_message.Message):
    __slots__ = ("conversation_id", "after")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    after: int
    def __init__(self, conversation_id: _Optional[str] = ..., after: _Optional[int] = ...) -> None: ...

class GetConversationResponse(_message.Message):
    __slots__ = ("conversation_id", "policy", "policy_digest", "events", "open", "over", "facts", "acts")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    POLICY_DIGEST_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    OVER_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    ACTS_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    policy: str
    policy_digest: str
    events: int
    open: bool
    over: bool
    facts: _containers.RepeatedCompositeFieldContainer[_values_pb2.Field]
    acts: _containers.RepeatedCompositeFieldContainer[Act]
    def __init__(self, conversation_id: _Optional[str] = ..., policy: _Optional[str] = ..., policy_digest: _Optional[str] = ..., events: _Optional[int] = ..., open: _Optional[bool] = ..., over: _Optional[bool] = ..., facts: _Optional[_Iterable[_Union[_values_pb2.Field, _Mapping]]] = ..., acts: _Optional[_Iterable[_Union[Act, _Mapping]]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("conversation_id", "request_id")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    request_id: str
    def __init__(self, conversation_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("decisions",)
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[Decision]
    def __init__(self, decisions: _Optional[_Iterable[_Union[Decision, _Mapping]]] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("sequence", "request_id", "at", "event", "fields", "dropped", "fired", "acts", "incident", "deciding", "answering", "overridden", "attempts", "monitors")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    FIRED_FIELD_NUMBER: _ClassVar[int]
    ACTS_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_FIELD_NUMBER: _ClassVar[int]
    DECIDING_FIELD_NUMBER: _ClassVar[int]
    ANSWERING_FIELD_NUMBER: _ClassVar[int]
    OVERRIDDEN_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    MONITORS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    request_id: str
    at: _timestamp_pb2.Timestamp
    event: str
    fields: _containers.RepeatedCompositeFieldContainer[_values_pb2.Field]
    dropped: str
    fired: _containers.RepeatedCompositeFieldContainer[FiredRule]
    acts: _containers.RepeatedScalarFieldContainer[str]
    incident: Incident
    deciding: _duration_pb2.Duration
    answering: _duration_pb2.Duration
    overridden: _containers.RepeatedCompositeFieldContainer[FiredRule]
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    monitors: _containers.RepeatedCompositeFieldContainer[Monitor]
    def __init__(self, sequence: _Optional[int] = ..., request_id: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., event: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[_values_pb2.Field, _Mapping]]] = ..., dropped: _Optional[str] = ..., fired: _Optional[_Iterable[_Union[FiredRule, _Mapping]]] = ..., acts: _Optional[_Iterable[str]] = ..., incident: _Optional[_Union[Incident, _Mapping]] = ..., deciding: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., answering: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., overridden: _Optional[_Iterable[_Union[FiredRule, _Mapping]]] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., monitors: _Optional[_Iterable[_Union[Monitor, _Mapping]]] = ...) -> None: ...

class Monitor(_message.Message):
    __slots__ = ("requirement", "text", "cites", "file", "line", "broken")
    REQUIREMENT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CITES_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    BROKEN_FIELD_NUMBER: _ClassVar[int]
    requirement: str
    text: str
    cites: str
    file: str
    line: int
    broken: bool
    def __init__(self, requirement: _Optional[str] = ..., text: _Optional[str] = ..., cites: _Optional[str] = ..., file: _Optional[str] = ..., line: _Optional[int] = ..., broken: _Optional[bool] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("name", "failed", "detail", "took")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    TOOK_FIELD_NUMBER: _ClassVar[int]
    name: str
    failed: str
    detail: str
    took: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., failed: _Optional[str] = ..., detail: _Optional[str] = ..., took: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class FiredRule(_message.Message):
    __slots__ = ("rule", "file", "line", "facts", "acts")
    RULE_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    ACTS_FIELD_NUMBER: _ClassVar[int]
    rule: str
    file: str
    line: int
    facts: _containers.RepeatedCompositeFieldContainer[_values_pb2.Field]
    acts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, rule: _Optional[str] = ..., file: _Optional[str] = ..., line: _Optional[int] = ..., facts: _Optional[_Iterable[_Union[_values_pb2.Field, _Mapping]]] = ..., acts: _Optional[_Iterable[str]] = ...) -> None: ...

class Incident(_message.Message):
    __slots__ = ("reasons",)
    REASONS_FIELD_NUMBER: _ClassVar[int]
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, reasons: _Optional[_Iterable[str]] = ...) -> None: ...
