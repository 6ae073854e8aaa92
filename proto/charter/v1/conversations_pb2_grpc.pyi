from collections.abc import AsyncIterator

import grpc.aio

from charter.v1 import conversations_pb2

class ConversationsStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    Turn: grpc.aio.UnaryUnaryMultiCallable[
        conversations_pb2.TurnRequest,
        conversations_pb2.TurnResponse,
    ]
    Converse: grpc.aio.StreamStreamMultiCallable[
        conversations_pb2.ConverseRequest,
        conversations_pb2.ConverseResponse,
    ]
    GetConversation: grpc.aio.UnaryUnaryMultiCallable[
        conversations_pb2.GetConversationRequest,
        conversations_pb2.GetConversationResponse,
    ]
    Explain: grpc.aio.UnaryUnaryMultiCallable[
        conversations_pb2.ExplainRequest,
        conversations_pb2.ExplainResponse,
    ]

class ConversationsServicer:
    async def Turn(
        self,
        request: conversations_pb2.TurnRequest,
        context: grpc.aio.ServicerContext[
            conversations_pb2.TurnRequest,
            conversations_pb2.TurnResponse,
        ],
    ) -> conversations_pb2.TurnResponse: ...
    def Converse(
        self,
        request_iterator: AsyncIterator[conversations_pb2.ConverseRequest],
        context: grpc.aio.ServicerContext[
            conversations_pb2.ConverseRequest,
            conversations_pb2.ConverseResponse,
        ],
    ) -> AsyncIterator[conversations_pb2.ConverseResponse]: ...
    async def GetConversation(
        self,
        request: conversations_pb2.GetConversationRequest,
        context: grpc.aio.ServicerContext[
            conversations_pb2.GetConversationRequest,
            conversations_pb2.GetConversationResponse,
        ],
    ) -> conversations_pb2.GetConversationResponse: ...
    async def Explain(
        self,
        request: conversations_pb2.ExplainRequest,
        context: grpc.aio.ServicerContext[
            conversations_pb2.ExplainRequest,
            conversations_pb2.ExplainResponse,
        ],
    ) -> conversations_pb2.ExplainResponse: ...

def add_ConversationsServicer_to_server(
    servicer: ConversationsServicer,
    server: grpc.aio.Server,
) -> None: ...
