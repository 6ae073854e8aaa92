"""Requests whose bytes are no message of the contract: the service is handed a refusal in their place."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio
from google.protobuf.message import DecodeError

from charter.engine.refused import Refused, Why

UNREADABLE = Refused(Why.INVALID, "the bytes are no message of the contract, or a text among them is not UTF-8")


class UnreadableRequests(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """The methods of one service get `UNREADABLE` where gRPC would say UNKNOWN and name an exception of Python's."""

    def __init__(self, service: str) -> None:
        self._methods = f"/{service}/"

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """See gRPC."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(self._methods):
            return handler
        message = handler.request_deserializer

        def read(data: bytes) -> Any:
            try:
                return message(data)
            except DecodeError:
                return UNREADABLE

        return handler._replace(request_deserializer=read)
