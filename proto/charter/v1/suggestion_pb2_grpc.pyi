from collections.abc import AsyncIterator

import grpc.aio

from charter.v1 import suggestion_pb2

class SuggestionProviderStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    Describe: grpc.aio.UnaryUnaryMultiCallable[
        suggestion_pb2.DescribeRequest,
        suggestion_pb2.DescribeResponse,
    ]
    Suggest: grpc.aio.UnaryUnaryMultiCallable[
        suggestion_pb2.SuggestRequest,
        suggestion_pb2.SuggestResponse,
    ]
    SuggestMany: grpc.aio.StreamStreamMultiCallable[
        suggestion_pb2.SuggestManyRequest,
        suggestion_pb2.SuggestManyResponse,
    ]

class SuggestionProviderServicer:
    async def Describe(
        self,
        request: suggestion_pb2.DescribeRequest,
        context: grpc.aio.ServicerContext[
            suggestion_pb2.DescribeRequest,
            suggestion_pb2.DescribeResponse,
        ],
    ) -> suggestion_pb2.DescribeResponse: ...
    async def Suggest(
        self,
        request: suggestion_pb2.SuggestRequest,
        context: grpc.aio.ServicerContext[
            suggestion_pb2.SuggestRequest,
            suggestion_pb2.SuggestResponse,
        ],
    ) -> suggestion_pb2.SuggestResponse: ...
    def SuggestMany(
        self,
        request_iterator: AsyncIterator[suggestion_pb2.SuggestManyRequest],
        context: grpc.aio.ServicerContext[
            suggestion_pb2.SuggestManyRequest,
            suggestion_pb2.SuggestManyResponse,
        ],
    ) -> AsyncIterator[suggestion_pb2.SuggestManyResponse]: ...

def add_SuggestionProviderServicer_to_server(
    servicer: SuggestionProviderServicer,
    server: grpc.aio.Server,
) -> None: ...
