"""Asks agents over gRPC. Whatever an agent does, a question is answered once, in time, and in the declared schema."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

import grpc.aio
from google.protobuf.message import DecodeError

from charter.dsl.program import Agent
from charter.dsl.types import EnumType, OptionalType, Value
from charter.dsl.values import Misfit
from charter.engine.breaker import Breaker
from charter.engine.conversation.asks import Ask, Attempt, Failed, Reason, Suggested
from charter.engine.conversation.messages import from_record
from charter.engine.deployment import AgentAt
from charter.engine.providers.questions import Questions
from charter.v1 import suggestion_pb2
from charter.v1.validation import violations

MAX_ANSWER_BYTES = 65_536
DESCRIBE_SECONDS = 2.0

_SUGGEST = "/charter.v1.SuggestionProvider/Suggest"
_DESCRIBE = "/charter.v1.SuggestionProvider/Describe"
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    # An agent that comes back is used again within a second; by default gRPC waits for up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
)


class GrpcAgents:
    """The agents of a deployment, each behind its address. Closing it ends every question as it stands."""

    def __init__(self, agents: Mapping[str, AgentAt]) -> None:
        self._agents = agents
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._suggest: dict[str, grpc.aio.UnaryUnaryMultiCallable[suggestion_pb2.SuggestRequest, bytes]] = {}
        self._questions: dict[str, Questions] = {}
        self._breakers: dict[str, Breaker] = {}

    async def __aenter__(self) -> Self:
        """From here on agents can be asked; they are connected to when first asked."""
        clock = asyncio.get_running_loop().time
        for name, agent in self._agents.items():
            channel = self._channels[name] = grpc.aio.insecure_channel(agent.address, CHANNEL_OPTIONS)
            # The answer is parsed by us: gRPC reports bytes that are no message as an error of its own.
            self._suggest[name] = channel.unary_unary(
                _SUGGEST,
                request_serializer=suggestion_pb2.SuggestRequest.SerializeToString,
                response_deserializer=unread,
            )
            self._questions[name] = Questions(channel)
            if agent.breaker is not None:
                self._breakers[name] = Breaker(agent.breaker, clock)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for questions in self._questions.values():
            questions.close()
        await asyncio.gather(*(channel.close(None) for channel in self._channels.values()))

    async def ask(self, ask: Ask) -> Suggested | Failed:
        """The suggestion of the first agent of the chain that has a valid one in time."""
        attempts: list[Attempt] = []
        reason = Reason.ERROR
        for agent in ask.chain:
            began, left = time.perf_counter(), ask.until - asyncio.get_running_loop().time()
            answer = await self._guarded(ask, agent, within=min(agent.within / 1000, left))
            took = (time.perf_counter() - began) * 1000
            if not isinstance(answer, _No):
                attempts.append(Attempt(agent.name, None, "", took))
                return Suggested(answer, tuple(attempts))
            attempts.append(Attempt(agent.name, answer.reason, answer.detail, took))
            reason = answer.reason
        return Failed(reason, tuple(attempts))

    async def complaints(self, agents: Iterable[Agent]) -> list[str]:
        """What an operator should know before the first turn: agents without address, down, or of another schema."""
        found = await asyncio.gather(*(self._complaints(agent) for agent in agents))
        return [complaint for complaints in found for complaint in complaints]

    async def _guarded(self, ask: Ask, agent: Agent, *, within: float) -> "Mapping[str, Value] | _No":
        """The suggestion of an agent that its circuit breaker lets ask."""
        breaker = self._breakers.get(agent.name)
        if within <= 0:
            return _No(Reason.LATE, "no time was left to ask")
        if breaker is not None and not breaker.admits():
            return _No(Reason.OPEN_CIRCUIT, "it failed too often, and is not asked for a while")
        answer = await self._hedged(ask, agent, within=within)
        if breaker is not None:
            breaker.tell(answered=not isinstance(answer, _No) or answer.abstained)
        return answer

    async def _hedged(self, ask: Ask, agent: Agent, *, within: float) -> "Mapping[str, Value] | _No":
        """The first suggestion; where the deployment says so, a slow agent is asked a second time."""
        placed = self._agents.get(agent.name)
        if placed is None or placed.hedge_ms is None or placed.hedge_ms / 1000 >= within:
            return await self._suggestion(ask, agent, within=within)
        asking = [asyncio.create_task(self._suggestion(ask, agent, within=within))]
        try:
            done, _ = await asyncio.wait(asking, timeout=placed.hedge_ms / 1000)
            if not done:
                rest = within - placed.hedge_ms / 1000
                asking.append(asyncio.create_task(self._suggestion(ask, agent, within=rest)))
            while True:
                done, left = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                answers = [task.result() for task in done]
                best = next((one for one in answers if not isinstance(one, _No)), answers[0])
                if not left or not isinstance(best, _No):
                    return best
                asking = list(left)
        finally:
            for task in asking:
                task.cancel()

    async def _suggestion(self, ask: Ask, agent: Agent, *, within: float) -> "Mapping[str, Value] | _No":
        questions = self._questions.get(agent.name)
        if questions is None:
            return _No(Reason.ERROR, "the deployment gives no address")
        question = suggestion_pb2.SuggestRequest(
            request_id=ask.id, agent=agent.name, utterance=ask.utterance, language=ask.language
        )
        until = asyncio.get_running_loop().time() + within
        try:
            answer = await questions.ask(question, within=within)
        except TimeoutError:
            return _No(Reason.LATE, "DEADLINE_EXCEEDED")
        if answer is None:
            return await self._asked_alone(ask, agent, question, until)
        if answer.WhichOneof("outcome") == "failure":
            return _no(_CODES.get(answer.failure.code, grpc.StatusCode.UNKNOWN), answer.failure.message)
        return _parsed(ask, answer.response)

    async def _asked_alone(
        self, ask: Ask, agent: Agent, question: suggestion_pb2.SuggestRequest, until: float
    ) -> "Mapping[str, Value] | _No":
        """The suggestion over a call of its own."""
        try:
            answer = await self._suggest[agent.name](question, timeout=until - asyncio.get_running_loop().time())
        except grpc.aio.AioRpcError as error:
            return _no(error.code(), error.details())
        return _parsed(ask, answer)

    async def _complaints(self, agent: Agent) -> list[str]:
        channel = self._channels.get(agent.name)
        if channel is None:
            return [f"agent `{agent.name}` has no address: its asks fail"]
        address = self._agents[agent.name].address
        call = channel.unary_unary(
            _DESCRIBE,
            request_serializer=suggestion_pb2.DescribeRequest.SerializeToString,
            response_deserializer=suggestion_pb2.DescribeResponse.FromString,
        )
        try:
            described = await call(suggestion_pb2.DescribeRequest(), timeout=DESCRIBE_SECONDS)
        except grpc.aio.AioRpcError as error:
            return [f"agent `{agent.name}` at {address} does not answer ({error.code().name}): its asks fail"]
        return [f"agent `{agent.name}` at {address} {what}" for what in _mismatches(agent, described.fields)]


def unread(answer: bytes | None) -> bytes:
    """The bytes of an answer; none where a call ended well and brought no answer."""
    return answer or b""


class _No:
    """Why one agent had no suggestion; to abstain is not to fail."""

    __slots__ = ("abstained", "detail", "reason")

    def __init__(self, reason: Reason, detail: str, *, abstained: bool = False) -> None:
        self.reason, self.detail, self.abstained = reason, detail, abstained


_CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def _no(code: grpc.StatusCode, details: str | None) -> _No:
    detail = f"{code.name}: {details}"[:200]
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return _No(Reason.LATE, detail)
    # gRPC's own words for an answer over the limit; a busy agent uses the same code with others.
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in (details or ""):
        return _No(Reason.INVALID, detail)
    return _No(Reason.ERROR, detail)


def _parsed(ask: Ask, answer: bytes) -> Mapping[str, Value] | _No:
    try:
        response = suggestion_pb2.SuggestResponse.FromString(answer)
    except DecodeError:
        return _No(Reason.INVALID, "the answer is no SuggestResponse")
    if broken := violations(response):
        return _No(Reason.INVALID, f"{broken[0].field}: {broken[0].description}")
    if response.request_id != ask.id:
        return _No(Reason.INVALID, "the answer is to another question")
    if response.WhichOneof("outcome") == "abstention":
        return _No(Reason.ERROR, f"abstained: {response.abstention.reason}"[:200], abstained=True)
    try:
        return from_record(response.suggestion.fields, ask.chain[0].fields, "suggestion", ask.chain[0].defaults)
    except Misfit as misfit:
        return _No(Reason.INVALID, str(misfit))


def _mismatches(agent: Agent, described: Iterable[suggestion_pb2.FieldSchema]) -> list[str]:
    """How the schema that a provider describes differs from the one that the policy declares."""
    offered, fields = {field.name: field for field in described}, dict(agent.fields)
    found = [f"suggests `{name}`, which the policy does not declare" for name in offered if name not in fields]
    for name, type_ in fields.items():
        field = offered.get(name)
        if field is None and name not in agent.defaults and not isinstance(type_, OptionalType):
            found.append(f"does not suggest `{name}`")
        if field is not None and isinstance(type_, EnumType):
            foreign = [symbol for symbol in field.symbols if symbol not in type_.values]
            found.extend(f"suggests `{symbol}` as `{name}`, which is no `{type_.name}`" for symbol in foreign)
    return found
