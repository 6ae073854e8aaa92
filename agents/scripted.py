"""The double that tests use: answers from a script, and misbehaves in every way in which an agent can.

A script is JSON lines. `{"describe": {…}}` is the description, a `DescribeResponse` in protobuf's JSON. Every other
line is a reply:

- which questions it is for: `utterance`, `agent`, `language`, each equal to the question's; without one, any;
- what it does, exactly one of
  `"suggest": {field: Value}` with each value in protobuf's JSON, so `{"symbol": "human"}` or `{}` for unknown,
  `"abstain": reason`, `"fail": status` (a gRPC status name), `"hang": true`, `"empty": true` (no outcome),
  `"oversized": n` (a field of n characters), `"garbage": hex` (bytes in place of a message, for which a client of
  grpc.aio gets None and no error), `"exit": code` (the process dies);
- `after_ms`, how long it waits first, and `request_id`, the id it gives instead of the question's.

The replies that fit one question best are used one after the other and the last one repeats, so that an agent can fail
once and then answer; the replies that fit best are those that name the most. No reply that fits is an abstention.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, assert_never

import grpc.aio
from google.protobuf.json_format import ParseDict, ParseError

from charter.agents.many import Unanswered, answer_many
from charter.agents.provider import SERVICE, ManyContext, SuggestContext, read_question
from charter.v1.suggestion_pb2 import (
    DescribeRequest,
    DescribeResponse,
    SuggestManyRequest,
    SuggestManyResponse,
    SuggestRequest,
    SuggestResponse,
)
from charter.v1.values_pb2 import Value

NAMES = ("utterance", "agent", "language")


class InvalidScript(ValueError):
    """A script that cannot be followed; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Message:
    """Answers with this message, whose request_id is still to be filled in."""

    template: SuggestResponse


@dataclass(frozen=True, slots=True)
class Garbage:
    """Answers with bytes that need not be a message."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """Ends the call with a status."""

    code: grpc.StatusCode


@dataclass(frozen=True, slots=True)
class Hang:
    """Never answers."""


@dataclass(frozen=True, slots=True)
class Exit:
    """Ends the process in the middle of the call."""

    code: int


Deed: TypeAlias = Message | Garbage | Failure | Hang | Exit


@dataclass(frozen=True, slots=True)
class Reply:
    """One line of a script; an empty `request_id` stands for the question's."""

    line: int
    fits: tuple[tuple[str, str], ...]
    deed: Deed
    after_ms: int = 0
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """What a scripted agent says."""

    description: DescribeResponse
    replies: tuple[Reply, ...]


def read_script(path: Path) -> Script:
    """Returns the script in a file. Raises `InvalidScript`."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidScript(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}"
        ) from error
    description = DescribeResponse(name="scripted")
    replies: list[Reply] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
            if not isinstance(content, dict):
                raise ValueError("a line is a JSON object")
            if "describe" in content:
                description = ParseDict(content["describe"], DescribeResponse())
            else:
                replies.append(read_reply(number, content))
        except (ValueError, ParseError) as error:
            raise InvalidScript(f"{path}:{number}: {' '.join(str(error).split())}") from error
    return Script(description, tuple(replies))


def scripted_services(script: Script) -> Callable[[grpc.aio.Server], None]:
    """Returns what adds the scripted agent to a server, for `provider.serve`; each server starts the script afresh."""

    def add(server: grpc.aio.Server) -> None:
        used: Counter[tuple[tuple[str, str], ...]] = Counter()

        async def describe(request: DescribeRequest, context: object) -> bytes:  # noqa: ARG001  # gRPC's signature
            return script.description.SerializeToString()

        async def answer(request: SuggestRequest) -> bytes:
            read_question(request)
            fitting = best_fitting(script, request)
            if not fitting:
                reply = Reply(0, (), abstention("the script has no reply to this"))
            else:
                reply = fitting[min(used[fitting[0].fits], len(fitting) - 1)]
                used[reply.fits] += 1
            if reply.after_ms:
                await asyncio.sleep(reply.after_ms / 1000)
            return await do(reply, request)

        async def suggest(request: SuggestRequest, context: SuggestContext) -> bytes:
            try:
                return await answer(request)
            except Unanswered as why:
                await context.abort(why.code, why.details, why.metadata)

        async def suggest_many(
            messages: AsyncIterator[SuggestManyRequest],
            context: ManyContext,  # noqa: ARG001  # gRPC's signature
        ) -> AsyncIterator[SuggestManyResponse]:
            async for answers in answer_many(messages, answer, largest=-1):
                yield answers

        handlers = {
            "Describe": grpc.unary_unary_rpc_method_handler(describe, DescribeRequest.FromString),
            "Suggest": grpc.unary_unary_rpc_method_handler(suggest, SuggestRequest.FromString),
            "SuggestMany": grpc.stream_stream_rpc_method_handler(
                suggest_many, SuggestManyRequest.FromString, SuggestManyResponse.SerializeToString
            ),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    return add


def best_fitting(script: Script, request: SuggestRequest) -> list[Reply]:
    question = {name: getattr(request, name) for name in NAMES}
    fitting = [reply for reply in script.replies if all(question[name] == value for name, value in reply.fits)]
    most = max((len(reply.fits) for reply in fitting), default=0)
    first = next((reply.fits for reply in fitting if len(reply.fits) == most), ())
    return [reply for reply in fitting if reply.fits == first]


async def do(reply: Reply, request: SuggestRequest) -> bytes:
    match reply.deed:
        case Message(template):
            answer = SuggestResponse()
            answer.CopyFrom(template)
            answer.request_id = reply.request_id or request.request_id
            return answer.SerializeToString()
        case Garbage(content):
            return content
        case Failure(code):
            raise Unanswered(code, "as the script says")
        case Hang():
            while True:
                await asyncio.sleep(3600)
        case Exit(code):
            os._exit(code)
    assert_never(reply.deed)


def read_reply(line: int, content: Mapping[str, Any]) -> Reply:
    rest = dict(content)
    fits = tuple((name, string(name, rest.pop(name))) for name in NAMES if name in rest)
    after_ms = rest.pop("after_ms", 0)
    if not isinstance(after_ms, int) or after_ms < 0:
        wrong("`after_ms` is a number of milliseconds, such as 250")
    request_id = string("request_id", rest.pop("request_id", ""))
    if len(rest) != 1:
        wrong(f"a reply does exactly one thing, and this one names {', '.join(f'`{key}`' for key in rest) or 'none'}")
    ((name, value),) = rest.items()
    return Reply(line, fits, read_deed(name, value), after_ms, request_id)


def read_deed(name: str, value: Any) -> Deed:
    match name, value:
        case "suggest", dict():
            answer = SuggestResponse()
            answer.suggestion.SetInParent()
            for field, content in value.items():
                answer.suggestion.fields.add(name=field, value=ParseDict(content, Value()))
            return Message(answer)
        case "abstain", str():
            return abstention(value)
        case "fail", str() if value in grpc.StatusCode.__members__:
            return Failure(grpc.StatusCode[value])
        case "hang", True:
            return Hang()
        case "empty", True:
            return Message(SuggestResponse())
        case "oversized", int():
            answer = SuggestResponse()
            answer.suggestion.fields.add(name="padding").value.text = "x" * value
            return Message(answer)
        case "garbage", str():
            return Garbage(bytes.fromhex(value))
        case "exit", int():
            return Exit(value)
        case _:
            return wrong(f"`{name}` is not something that a reply can do with {json.dumps(value)}")


def abstention(reason: str) -> Message:
    answer = SuggestResponse()
    answer.abstention.reason = reason
    return Message(answer)


def string(name: str, value: Any) -> str:
    return value if isinstance(value, str) else wrong(f"`{name}` is a string")


def wrong(sentence: str) -> NoReturn:
    raise ValueError(sentence)
