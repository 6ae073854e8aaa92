import datetime

from charter.v1 import buf_validate_pb2 as _validate_pb2
from charter.v1 import suggestion_pb2 as _suggestion_pb2
from charter.v1 import values_pb2 as _values_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ToolProviderDescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ToolProviderDescribeResponse(_message.Message):
    __slots__ = ("name", "tools")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    name: str
    tools: _containers.RepeatedCompositeFieldContainer[ToolSchema]
    def __init__(self, name: _Optional[str] = ..., tools: _Optional[_Iterable[_Union[ToolSchema, _Mapping]]] = ...) -> None: ...

class ToolSchema(_message.Message):
    __slots__ = ("name", "arguments", "results", "writes", "idempotent")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    WRITES_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    arguments: _containers.RepeatedCompositeFieldContainer[_suggestion_pb2.FieldSchema]
    results: _containers.RepeatedCompositeFieldContainer[_suggestion_pb2.FieldSchema]
    writes: bool
    idempotent: bool
    def __init__(self, name: _Optional[str] = ..., arguments: _Optional[_Iterable[_Union[_suggestion_pb2.FieldSchema, _Mapping]]] = ..., results: _Optional[_Iterable[_Union[_suggestion_pb2.FieldSchema, _Mapping]]] = ..., writes: _Optional[bool] = ..., idempotent: _Optional[bool] = ...) -> None: ...

class CallRequest(_message.Message):
    __slots__ = ("idempotency_key", "tool", "arguments", "conversation_id", "language", "within")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    tool: str
    arguments: _values_pb2.Record
    conversation_id: str
    language: str
    within: _duration_pb2.Duration
    def __init__(self, idempotency_key: _Optional[str] = ..., tool: _Optional[str] = ..., arguments: _Optional[_Union[_values_pb2.Record, _Mapping]] = ..., conversation_id: _Optional[str] = ..., language: _Optional[str] = ..., within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CallResponse(_message.Message):
    __slots__ = ("idempotency_key", "result", "refused")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    result: _values_pb2.Record
    refused: Refused
    def __init__(self, idempotency_key: _Optional[str] = ..., result: _Optional[_Union[_values_pb2.Record, _Mapping]] = ..., refused: _Optional[_Union[Refused, _Mapping]] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...
