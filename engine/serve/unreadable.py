"""Requests whose bytes are no message of the contract: the service is handed a refusal in their place."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc.aio
from google.protobuf.message import DecodeError

from charter.engine.conversation.refused import Refused, Why

UNREADABLE = Refused(Why.INVALID, "the bytes are no message of the contract, or a text among them is not UTF-8")


class ReadingServer:
    """A server whose services get `UNREADABLE` where gRPC would say UNKNOWN and name an exception of Python's."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Nothing: generated code says the same again with the names of the methods."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Adds a service, as generated code does."""
        reading = {
            name: handler._replace(request_deserializer=_reading(handler.request_deserializer))
            for name, handler in handlers.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, reading),))


def _reading(message: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        try:
            return message(data)
        except DecodeError:
            return UNREADABLE

    return read
