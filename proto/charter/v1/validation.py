"""Says what in a message breaks the rules that its contract states, and puts it into a gRPC status."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import grpc
import protovalidate
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc.code_pb2 import INVALID_ARGUMENT
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from protovalidate import FieldPathPb

# A status travels in the trailers, for which gRPC has 8 KiB; a path through nested records can be 700 bytes long.
REPORTED = 8


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: the field's path, as in `sees[2].name` and empty for the message itself, and what is wrong."""

    field: str
    description: str


def violations(message: Message) -> tuple[Violation, ...]:
    """Returns every rule of the contract that the message breaks."""
    found = (violation.proto for violation in protovalidate.collect_violations(message))
    return tuple(Violation("".join(path_steps(proto.field)), proto.message) for proto in found)


def invalid_argument(found: Sequence[Violation]) -> grpc.Status:
    """Returns INVALID_ARGUMENT that says the first of them, with a `google.rpc.BadRequest` that names up to eight."""
    reported = found[:REPORTED]
    fields = [BadRequest.FieldViolation(field=one.field, description=one.description) for one in reported]
    details = Any()
    details.Pack(BadRequest(field_violations=fields))
    message = "; ".join(f"{one.field}: {one.description}".removeprefix(": ") for one in reported[:1])
    return rpc_status.to_status(Status(code=INVALID_ARGUMENT, message=message, details=[details]))


def path_steps(path: FieldPathPb | None) -> Iterator[str]:
    for place, element in enumerate(path.elements if path else ()):
        yield f".{element.field_name}" if place else element.field_name
        if element.subscript is not None:
            yield f"[{element.subscript.value}]"
