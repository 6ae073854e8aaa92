"""The conformance kit of providers: what a server has to do whatever it suggests, or whatever its tools do.

It asks a running server, as Charter would and as Charter never would. Tools that write are left alone unless told
otherwise, since made-up arguments may be somebody's.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import grpc.aio
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2, health_pb2_grpc

from charter.agents.described import misdescribed, misfitting
from charter.agents.provider import SERVICE
from charter.v1 import suggestion_pb2 as pb
from charter.v1 import suggestion_pb2_grpc
from charter.v1.validation import violations

T = TypeVar("T")

AT_ONCE = 32
PATIENCE = 8
"""How much longer than one answer many at once may take."""
NONSENSE = ("", " ", "?", "\u202e\x00\x07", "😀" * 40, "la " * 2600, "'; DROP TABLE customers; --", "0" * 400)
OVERSIZED = "x" * 65_537


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim about the server; `why` says what was found where it does not hold."""

    claim: str
    why: str = ""

    @property
    def holds(self) -> bool:
        """The server does what the claim says."""
        return not self.why


Check: TypeAlias = Callable[[], Awaitable[str]]
"""Returns why a claim does not hold; empty where it does."""


async def check_suggestions(channel: grpc.aio.Channel, *, within: float) -> AsyncIterator[Finding]:
    """Every claim about a `SuggestionProvider`; each single answer may take `within` seconds."""
    asked = Asked(suggestion_pb2_grpc.SuggestionProviderStub(channel), within)
    for claim, check in (
        ("it describes itself, the same way each time", asked.describes),
        ("it answers within the deadline, in the fields that it describes", asked.answers),
        ("it answers nonsense, or abstains", asked.nonsense),
        ("it refuses a question without a name", asked.nameless),
        ("it refuses a question that is too long", asked.oversized),
        (f"it answers {AT_ONCE} questions at once, each with its own name", asked.at_once),
        ("it answers questions that share a call, or takes no such calls", asked.many),
        ("it goes on when callers give up", asked.given_up),
        ("it says that it is well", lambda: well(channel, SERVICE, within)),
    ):
        yield Finding(claim, await found(check))


async def found(check: Check) -> str:
    """Returns why the claim does not hold; an error of the call is a reason."""
    try:
        return await check()
    except NoMessage:
        return "it answers with bytes that are no message of the contract"
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name}: {error.details()}"[:200]


class NoMessage(Exception):
    """Bytes came that are no message of the contract."""


def message(answer: T | None) -> T:
    """Returns the answer; grpc.aio gives None in place of one that cannot be read. Raises `NoMessage`."""
    if answer is None:
        raise NoMessage
    return answer


class Asked:
    """A suggestion provider that is being asked."""

    def __init__(self, stub: suggestion_pb2_grpc.SuggestionProviderStub, within: float) -> None:
        self._stub, self._within = stub, within

    async def describes(self) -> str:
        one, two = [await self._described() for _ in range(2)]
        if one != two:
            return "it described itself in two ways"
        if not one.name or not one.fields:
            return "it has no name, or no fields"
        return next((why for field in one.fields if (why := misdescribed(field))), "")

    async def answers(self) -> str:
        described = await self._described()
        languages = [one.language for one in described.languages] or ["en"]
        for language in languages:
            request = question("hello, can you help me with my card", language)
            if why := misfit(await self._stub.Suggest(request, timeout=self._within), request, described.fields):
                return why
        return ""

    async def nonsense(self) -> str:
        described = await self._described()
        for words in NONSENSE:
            request = question(words)
            if why := misfit(await self._stub.Suggest(request, timeout=self._within), request, described.fields):
                return f"asked {words[:20]!r}: {why}"
        return ""

    async def nameless(self) -> str:
        request = pb.SuggestRequest(agent="conformance", utterance="hello", language="en")
        return await refused(self._stub.Suggest(request, timeout=self._within), grpc.StatusCode.INVALID_ARGUMENT)

    async def oversized(self) -> str:
        codes = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)
        why = await refused(self._stub.Suggest(question(OVERSIZED), timeout=self._within), *codes)
        return why or await self.answers()

    async def at_once(self) -> str:
        described = await self._described()
        requests = [question(f"hello for the {number}th time") for number in range(AT_ONCE)]
        calls = [self._stub.Suggest(request, timeout=self._within * PATIENCE) for request in requests]
        answers = await asyncio.gather(*calls)
        pairs = zip(answers, requests, strict=True)
        return next((why for answer, request in pairs if (why := misfit(answer, request, described.fields))), "")

    async def many(self) -> str:
        described = await self._described()
        requests = dict(enumerate(question(f"hello for the {number}th time") for number in range(AT_ONCE)))
        within_ms = round(self._within * PATIENCE * 1000)
        message = pb.SuggestManyRequest(
            questions=[pb.NumberedQuestion(number=n, question=one, within_ms=within_ms) for n, one in requests.items()]
        )
        answers = dict[int, pb.NumberedAnswer]()
        try:
            async for ready in self._stub.SuggestMany(iter([message]), timeout=self._within * PATIENCE):
                answers |= {one.number: one for one in ready.answers}
        except grpc.aio.AioRpcError as error:
            return "" if error.code() is grpc.StatusCode.UNIMPLEMENTED else f"{error.code().name}: {error.details()}"
        if answers.keys() != requests.keys():
            return f"it answered {len(answers)} of {AT_ONCE}"
        for number, one in answers.items():
            if why := one.failure.message or misfit(read(one.response), requests[number], described.fields):
                return why
        return ""

    async def given_up(self) -> str:
        late = [self._stub.Suggest(question("never mind"), timeout=0.001) for _ in range(AT_ONCE)]
        await asyncio.gather(*late, return_exceptions=True)
        return await self.answers()

    async def _described(self) -> pb.DescribeResponse:
        return message(await self._stub.Describe(pb.DescribeRequest(), timeout=self._within))


def question(words: str, language: str = "en") -> pb.SuggestRequest:
    return pb.SuggestRequest(request_id=str(uuid.uuid4()), agent="conformance", utterance=words, language=language)


def read(answer: bytes) -> pb.SuggestResponse:
    """Returns the answer; an empty one where the bytes are none."""
    try:
        return pb.SuggestResponse.FromString(answer)
    except DecodeError:
        return pb.SuggestResponse()


def misfit(answer: pb.SuggestResponse, request: pb.SuggestRequest, described: Iterable[pb.FieldSchema]) -> str:
    """Returns what is wrong with an answer; an abstention is an answer. Raises `NoMessage`."""
    if message(answer).request_id != request.request_id:
        return f"the answer is to `{answer.request_id}`, which was not the question"
    if broken := violations(answer):
        return f"{broken[0].field}: {broken[0].description}"
    return misfitting(answer.suggestion.fields, described) if answer.HasField("suggestion") else ""


async def refused(call: Awaitable[object], *codes: grpc.StatusCode) -> str:
    """Returns why it was not refused with one of these codes."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        expected = " or ".join(code.name for code in codes)
        return "" if error.code() in codes else f"refused with {error.code().name} in place of {expected}"
    return "it was answered"


async def well(channel: grpc.aio.Channel, service: str, within: float) -> str:
    request = health_pb2.HealthCheckRequest(service=service)
    answer = message(await health_pb2_grpc.HealthStub(channel).Check(request, timeout=within))
    return "" if answer.status == health_pb2.HealthCheckResponse.SERVING else "it says that it is not"
