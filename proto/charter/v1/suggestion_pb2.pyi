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

class SuggestManyRequest(_message.Message):
    __slots__ = ("questions", "withdrawn")
    QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    questions: _containers.RepeatedCompositeFieldContainer[NumberedQuestion]
    withdrawn: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, questions: _Optional[_Iterable[_Union[NumberedQuestion, _Mapping]]] = ..., withdrawn: _Optional[_Iterable[int]] = ...) -> None: ...

class NumberedQuestion(_message.Message):
    __slots__ = ("number", "question", "within_ms")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    WITHIN_MS_FIELD_NUMBER: _ClassVar[int]
    number: int
    question: SuggestRequest
    within_ms: int
    def __init__(self, number: _Optional[int] = ..., question: _Optional[_Union[SuggestRequest, _Mapping]] = ..., within_ms: _Optional[int] = ...) -> None: ...

class SuggestManyResponse(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[NumberedAnswer]
    def __init__(self, answers: _Optional[_Iterable[_Union[NumberedAnswer, _Mapping]]] = ...) -> None: ...

class NumberedAnswer(_message.Message):
    __slots__ = ("number", "response", "failure")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    number: int
    response: bytes
    failure: Failure
    def __init__(self, number: _Optional[int] = ..., response: _Optional[bytes] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

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
