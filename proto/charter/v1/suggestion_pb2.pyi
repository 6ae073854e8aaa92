from charter.v1 import buf_validate_pb2 as _validate_pb2
from charter.v1 import values_pb2 as _values_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("name", "fields", "languages", "model", "model_digest", "data_digest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DATA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    fields: _containers.RepeatedCompositeFieldContainer[FieldSchema]
    languages: _containers.RepeatedCompositeFieldContainer[LanguageReport]
    model: str
    model_digest: str
    data_digest: str
    def __init__(self, name: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[FieldSchema, _Mapping]]] = ..., languages: _Optional[_Iterable[_Union[LanguageReport, _Mapping]]] = ..., model: _Optional[str] = ..., model_digest: _Optional[str] = ..., data_digest: _Optional[str] = ...) -> None: ...

class FieldSchema(_message.Message):
    __slots__ = ("name", "type", "symbols")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    symbols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., symbols: _Optional[_Iterable[str]] = ...) -> None: ...

class LanguageReport(_message.Message):
    __slots__ = ("language", "encoder", "held_out", "accuracy")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    language: str
    encoder: str
    held_out: int
    accuracy: float
    def __init__(self, language: _Optional[str] = ..., encoder: _Optional[str] = ..., held_out: _Optional[int] = ..., accuracy: _Optional[float] = ...) -> None: ...

class SuggestRequest(_message.Message):
    __slots__ = ("request_id", "agent", "utterance", "language", "sees")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SEES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    agent: str
    utterance: str
    language: str
    sees: _containers.RepeatedCompositeFieldContainer[_values_pb2.Field]
    def __init__(self, request_id: _Optional[str] = ..., agent: _Optional[str] = ..., utterance: _Optional[str] = ..., language: _Optional[str] = ..., sees: _Optional[_Iterable[_Union[_values_pb2.Field, _Mapping]]] = ...) -> None: ...

class SuggestResponse(_message.Message):
    __slots__ = ("request_id", "suggestion", "abstention")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SUGGESTION_FIELD_NUMBER: _ClassVar[int]
    ABSTENTION_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    suggestion: _values_pb2.Record
    abstention: Abstention
    def __init__(self, request_id: _Optional[str] = ..., suggestion: _Optional[_Union[_values_pb2.Record, _Mapping]] = ..., abstention: _Optional[_Union[Abstention, _Mapping]] = ...) -> None: ...

class Abstention(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...
