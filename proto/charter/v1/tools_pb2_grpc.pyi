import grpc.aio

from charter.v1 import tools_pb2

class ToolProviderStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    Describe: grpc.aio.UnaryUnaryMultiCallable[
        tools_pb2.ToolProviderDescribeRequest,
        tools_pb2.ToolProviderDescribeResponse,
    ]
    Call: grpc.aio.UnaryUnaryMultiCallable[
        tools_pb2.CallRequest,
        tools_pb2.CallResponse,
    ]

class ToolProviderServicer:
    async def Describe(
        self,
        request: tools_pb2.ToolProviderDescribeRequest,
        context: grpc.aio.ServicerContext[
            tools_pb2.ToolProviderDescribeRequest,
            tools_pb2.ToolProviderDescribeResponse,
        ],
    ) -> tools_pb2.ToolProviderDescribeResponse: ...
    async def Call(
        self,
        request: tools_pb2.CallRequest,
        context: grpc.aio.ServicerContext[
            tools_pb2.CallRequest,
            tools_pb2.CallResponse,
        ],
    ) -> tools_pb2.CallResponse: ...

def add_ToolProviderServicer_to_server(
    servicer: ToolProviderServicer,
    server: grpc.aio.Server,
) -> None: ...
