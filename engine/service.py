"""The gRPC service `charter.v1.Conversations`: messages in, one turn, messages out; refusals as rich errors."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Mapping
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc.aio
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from charter.dsl.program import Program, Role
from charter.dsl.types import Value, inhabits, spelled
from charter.engine.conversations import Conversations
from charter.engine.explain import decision_message
from charter.engine.flight import Flight
from charter.engine.messages import event_of, to_fields
from charter.engine.refused import OTHER_POLICY, UNKNOWN, Refused, Why
from charter.engine.snapshot import is_of, snapshot
from charter.engine.store import ConversationId, Digest, RequestId, Store, StoreError
from charter.engine.turn import LONGEST_SECONDS
from charter.v1 import conversations_pb2 as pb
from charter.v1 import conversations_pb2_grpc
from charter.v1.validation import Violation, invalid_argument, violations

SERVICE = "charter.v1.Conversations"
DOMAIN = "charter"
HEADROOM_SECONDS = 0.5
"""A caller is answered this long before its deadline."""

M = TypeVar("M", bound=Message)
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_log = logging.getLogger(__name__)
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
    Why.OTHER_POLICY: grpc.StatusCode.FAILED_PRECONDITION,
    Why.STORE: grpc.StatusCode.UNAVAILABLE,
    Why.BUG: grpc.StatusCode.INTERNAL,
}


class ConversationsService(conversations_pb2_grpc.ConversationsServicer):
    """Serves the conversations of one policy."""

    def __init__(self, program: Program, conversations: Conversations, store: Store) -> None:
        self._program = program
        self._conversations = conversations
        self._store = store

    async def Turn(
        self, request: pb.TurnRequest, context: "grpc.aio.ServicerContext[pb.TurnRequest, pb.TurnResponse]"
    ) -> pb.TurnResponse:
        """See the contract."""
        await _checked(request, context)
        return await _answered(self._turn(request, context.time_remaining()), context)

    async def GetConversation(
        self,
        request: pb.GetConversationRequest,
        context: "grpc.aio.ServicerContext[pb.GetConversationRequest, pb.GetConversationResponse]",
    ) -> pb.GetConversationResponse:
        """See the contract."""
        await _checked(request, context)
        return await _answered(self._get(request), context)

    async def Explain(
        self, request: pb.ExplainRequest, context: "grpc.aio.ServicerContext[pb.ExplainRequest, pb.ExplainResponse]"
    ) -> pb.ExplainResponse:
        """See the contract."""
        await _checked(request, context)
        return await _answered(self._explain(request), context)

    async def _turn(self, request: pb.TurnRequest, remaining: float | None) -> pb.TurnResponse | Refused:
        kind, fields = event_of(request)
        if refused := _misfit(self._program, request, fields):
            return refused
        seconds = LONGEST_SECONDS if remaining is None else min(LONGEST_SECONDS, remaining - HEADROOM_SECONDS)
        flight = Flight(
            id=RequestId(request.request_id.lower()),
            digest=Digest(hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()),
            kind=kind,
            fields={name: fields.get(name) for name, _ in self._program.events[kind].fields},
            until=asyncio.get_running_loop().time() + seconds,
        )
        answer = await self._conversations.take(_conversation(request.conversation_id), flight)
        return answer if isinstance(answer, Refused) else pb.TurnResponse.FromString(answer)

    async def _get(self, request: pb.GetConversationRequest) -> pb.GetConversationResponse | Refused:
        stored = await self._store.load(_conversation(request.conversation_id))
        if stored is None:
            return UNKNOWN
        if not is_of(self._program, stored):
            return OTHER_POLICY
        now = snapshot(self._program, stored)
        types = [(name, info.type) for name, info in self._program.variables.items() if info.role is Role.FACT]
        return pb.GetConversationResponse(
            conversation_id=stored.id,
            policy=stored.policy,
            policy_digest=stored.policy_digest,
            events=stored.last_sequence,
            open=now.open,
            over=now.over,
            facts=to_fields({str(name): value for name, value in now.state.items()}, types),
        )

    async def _explain(self, request: pb.ExplainRequest) -> pb.ExplainResponse | Refused:
        conversation = _conversation(request.conversation_id)
        stored = await self._store.load(conversation)
        if stored is None:
            return UNKNOWN
        if not is_of(self._program, stored):
            return OTHER_POLICY
        only = RequestId(request.request_id.lower()) if request.request_id else None
        records = await self._store.records(conversation, only)
        return pb.ExplainResponse(decisions=[decision_message(self._program, record) for record in records])


def _conversation(text: str) -> ConversationId:
    return ConversationId(text.lower())


def _misfit(program: Program, request: pb.TurnRequest, fields: Mapping[str, Value]) -> Refused | None:
    """What in a valid request does not fit the policy."""
    event = request.WhichOneof("event") or ""
    if event == "start" and request.start.policy != program.name:
        return Refused(Why.INVALID, f"the policy served here is `{program.name}`", "start.policy")
    if event == "start" and request.start.language not in program.languages:
        return Refused(Why.INVALID, f"the policy speaks {', '.join(program.languages)}", "start.language")
    queue = {"escalated": request.escalated.queue, "escalate_failed": request.escalate_failed.queue}.get(event)
    if queue is not None and queue not in program.queues:
        return Refused(Why.INVALID, f"the policy has no queue `{queue}`", f"{event}.queue")
    for name, type_ in program.events[event_of(request)[0]].fields:
        if not inhabits(fields.get(name), type_):
            return Refused(Why.INVALID, f"it is no `{spelled(type_)}`", f"{event}.{name}")
    return None


# --- answers and errors ----------------------------------------------------------------------------------------------


async def _checked(request: Message, context: Context) -> None:
    if found := violations(request):
        await _abort(context, invalid_argument(found))


async def _answered(answer: Awaitable[M | Refused], context: Context) -> M:
    """The answer; or the call ends with an error that says what to do about it."""
    answered: M | Refused
    try:
        answered = await answer
    except StoreError as error:
        answered = Refused(Why.STORE, str(error))
    except Exception:  # the outermost loop of a call
        _log.exception("a call failed")
        answered = Refused(Why.BUG, "an error that is ours; it is in the server's log")
    if isinstance(answered, Refused):
        await _abort(context, status(answered))
    return answered


def status(refused: Refused) -> grpc.Status:
    """The status of a refusal: BadRequest names the field, ErrorInfo the reason, RetryInfo says when to try again."""
    if refused.why is Why.INVALID:
        return invalid_argument([Violation(refused.field, refused.detail)])
    details: list[Message] = [ErrorInfo(reason=refused.why.value, domain=DOMAIN)]
    code = _CODES[refused.why]
    if code is grpc.StatusCode.UNAVAILABLE:
        details.append(RetryInfo(retry_delay=Duration(nanos=200_000_000)))
    number = code.value[0]
    return rpc_status.to_status(Status(code=number, message=refused.detail, details=[_packed(one) for one in details]))


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


async def _abort(context: Context, status: grpc.Status) -> NoReturn:
    await context.abort(status.code, status.details, status.trailing_metadata)
