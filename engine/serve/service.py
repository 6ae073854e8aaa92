"""The gRPC service `charter.v1.Conversations`: messages in, one turn, messages out; refusals as rich errors."""

import logging
from collections.abc import AsyncIterator, Awaitable, Coroutine
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc.aio
from google.protobuf.message import Message

from charter.dsl.program import Program, Role
from charter.engine.conversation.conversations import Conversations
from charter.engine.conversation.messages import to_fields
from charter.engine.conversation.refused import BUG, OTHER_POLICY, OVERLOADED, UNKNOWN, Refused, refusal
from charter.engine.conversation.snapshot import is_of, snapshot
from charter.engine.serve.explain import decision_message
from charter.engine.serve.status import status
from charter.engine.serve.stream import Stream, flight_of, steps_after
from charter.engine.store import ConversationId, RequestId, Store, StoreError
from charter.v1 import conversations_pb2 as pb
from charter.v1 import conversations_pb2_grpc
from charter.v1.validation import invalid_argument, violations

SERVICE = "charter.v1.Conversations"
PROOF_KEY = "charter-proof"
"""The metadata that names the policy and the certificate behind an answer."""
M = TypeVar("M", bound=Message)
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_log = logging.getLogger(__name__)


class ConversationsService(conversations_pb2_grpc.ConversationsServicer):
    """Serves the conversations of one policy. `proof` says under which: it goes out with each answer.

    A request may also be the refusal of one: see `unreadable.py`.
    """

    def __init__(self, program: Program, conversations: Conversations, store: Store, proof: str) -> None:
        self._program = program
        self._conversations = conversations
        self._store = store
        self._limits = conversations.limits
        self._reading = self._streams = 0
        self._proof = ((PROOF_KEY, proof),)

    async def Turn(
        self, request: pb.TurnRequest, context: "grpc.aio.ServicerContext[pb.TurnRequest, pb.TurnResponse]"
    ) -> pb.TurnResponse:
        """See the contract."""
        context.set_trailing_metadata(self._proof)
        await _checked(request, context)
        return await _answered(self._turn(request, context.time_remaining()), context)

    async def Converse(
        self,
        request_iterator: AsyncIterator[pb.ConverseRequest],
        context: "grpc.aio.ServicerContext[pb.ConverseRequest, pb.ConverseResponse]",
    ) -> AsyncIterator[pb.ConverseResponse]:
        """See the contract."""
        if self._streams >= self._limits.streams:
            await _abort(context, status(OVERLOADED))
        stream = Stream(self._program, self._conversations, self._store)
        self._streams += 1
        try:
            await context.send_initial_metadata(self._proof)  # what comes at the end of a long stream comes too late
            async for said in stream.said(request_iterator):
                yield said
        finally:
            self._streams -= 1
        if stream.refused is not None:
            await _abort(context, status(stream.refused))

    async def GetConversation(
        self,
        request: pb.GetConversationRequest,
        context: "grpc.aio.ServicerContext[pb.GetConversationRequest, pb.GetConversationResponse]",
    ) -> pb.GetConversationResponse:
        """See the contract."""
        context.set_trailing_metadata(self._proof)
        await _checked(request, context)
        return await _answered(self._read(self._get(request)), context)

    async def Explain(
        self, request: pb.ExplainRequest, context: "grpc.aio.ServicerContext[pb.ExplainRequest, pb.ExplainResponse]"
    ) -> pb.ExplainResponse:
        """See the contract."""
        await _checked(request, context)
        return await _answered(self._read(self._explain(request)), context)

    async def _turn(self, request: pb.TurnRequest, remaining: float | None) -> pb.TurnResponse | Refused:
        flight = flight_of(self._program, request, remaining, self._limits.turn_seconds)
        if isinstance(flight, Refused):
            return flight
        answer = await self._conversations.take(_conversation(request.conversation_id), flight)
        return answer if isinstance(answer, Refused) else pb.TurnResponse.FromString(answer)

    async def _read(self, answer: Coroutine[Any, Any, M | Refused]) -> M | Refused:
        """What the store has; it is read for so many at once only as may be written for."""
        if self._reading >= self._limits.requests:
            answer.close()
            return OVERLOADED
        self._reading += 1
        try:
            return await answer
        finally:
            self._reading -= 1

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
            acts=[
                act
                for step in await steps_after(self._program, self._store, stored.id, request.after, now)
                for act in step.acts
            ],
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


# --- answers and errors ----------------------------------------------------------------------------------------------


async def _checked(request: Message | Refused, context: Context) -> None:
    if isinstance(request, Refused):
        await _abort(context, status(request))
    if found := violations(request):
        await _abort(context, invalid_argument(found))


async def _answered(answer: Awaitable[M | Refused], context: Context) -> M:
    """The answer; or the call ends with an error that says what to do about it."""
    answered: M | Refused
    try:
        answered = await answer
    except StoreError as error:
        answered = refusal(error)
    except Exception:  # the outermost loop of a call
        _log.exception("a call failed")
        answered = BUG
    if isinstance(answered, Refused):
        await _abort(context, status(answered))
    return answered


async def _abort(context: Context, status: grpc.Status) -> NoReturn:
    await context.abort(status.code, status.details, status.trailing_metadata)
