"""Refusals as gRPC says them: a status with details, and the message that stands for it on a stream."""

from collections.abc import Mapping

import grpc.aio
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from charter.engine.conversation.refused import Refused, Why
from charter.v1 import conversations_pb2 as pb
from charter.v1.validation import Violation, invalid_argument

DOMAIN = "charter"
_RETRY = Duration(nanos=200_000_000)
_RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
_CODES: Mapping[Why, grpc.StatusCode] = {
    Why.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Why.NOT_STARTED: grpc.StatusCode.FAILED_PRECONDITION,
    Why.UNKNOWN: grpc.StatusCode.NOT_FOUND,
    Why.STARTED: grpc.StatusCode.ALREADY_EXISTS,
    Why.OVER: grpc.StatusCode.FAILED_PRECONDITION,
    Why.TRANSFERRING: grpc.StatusCode.FAILED_PRECONDITION,
    Why.UNEXPECTED: grpc.StatusCode.FAILED_PRECONDITION,
    Why.REUSED: grpc.StatusCode.ALREADY_EXISTS,
    Why.ERASED: grpc.StatusCode.FAILED_PRECONDITION,
    Why.BUSY: grpc.StatusCode.UNAVAILABLE,
    Why.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Why.OTHER_POLICY: grpc.StatusCode.FAILED_PRECONDITION,
    Why.STORE: grpc.StatusCode.UNAVAILABLE,
    Why.TAMPERED: grpc.StatusCode.DATA_LOSS,
    Why.BUG: grpc.StatusCode.INTERNAL,
}


def status(refused: Refused) -> grpc.Status:
    """The status of a refusal: BadRequest names the field, ErrorInfo the reason, RetryInfo says when to try again."""
    if refused.why is Why.INVALID:
        return invalid_argument([Violation(refused.field, refused.detail)])
    details: list[Message] = [ErrorInfo(reason=refused.why.value, domain=DOMAIN)]
    code = _CODES[refused.why]
    if code in _RETRIED:
        details.append(RetryInfo(retry_delay=_RETRY))
    number = code.value[0]
    return rpc_status.to_status(Status(code=number, message=refused.detail, details=[_packed(one) for one in details]))


def refusal_message(request_id: str, refused: Refused) -> pb.Refusal:
    """The same on a stream."""
    code = _CODES[refused.why]
    return pb.Refusal(
        request_id=request_id,
        code=code.value[0],
        reason="" if refused.why is Why.INVALID else refused.why.value,
        field=refused.field,
        message=refused.detail,
        retry_after=_RETRY if code in _RETRIED else None,
    )


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
