"""A conversation at the terminal, with the reasons beside it: a line of the customer's, then what is done about it."""

import uuid
from collections.abc import AsyncIterator

import grpc.aio

from charter.dsl.program import Program
from charter.dsl.values import Misfit
from charter.engine.local.play import TURN_SECONDS, show_turn
from charter.engine.local.running import Print
from charter.engine.local.script import EVENTS, collected_request, event_request
from charter.v1 import conversations_pb2 as pb
from charter.v1 import conversations_pb2_grpc

HELP = f"""  A line is what the customer says, or the value that is waited for. Lines that begin with a slash:
    /say WORDS         words, where a value is waited for
    /give FACT VALUE   a value that was waited for before
    /EVENT             {EVENTS}
    /help, /quit"""


async def chat(
    program: Program,
    stub: conversations_pb2_grpc.ConversationsStub,
    start: pb.TurnRequest,
    lines: AsyncIterator[str],
    show: Print,
) -> None:
    """A conversation was held, a turn for each line, until it was over or there were no more lines."""
    conversation, waiting = str(uuid.uuid4()), ""
    show(f"{HELP}\n")
    response = await _turn(stub, conversation, start, show)
    while response is not None and not response.over:
        waiting = next((act.collect.name for act in response.acts if act.HasField("collect")), "")
        queue = next((act.escalate.queue for act in response.acts if act.HasField("escalate")), "")
        if queue:
            show(f"  (/escalated {queue}, or /escalate {queue} fails)")
        else:
            show(f"  ({waiting})" if waiting else "")
        event = await _event(program, lines, waiting, show)
        if event is None:
            return
        response = await _turn(stub, conversation, event, show) or response
    show("  (the conversation is over)")


async def _event(program: Program, lines: AsyncIterator[str], waiting: str, show: Print) -> pb.TurnRequest | None:
    """What the next line that means something stands for; None where there are no more."""
    async for line in lines:
        words = line.strip()
        try:
            if words == "/quit":
                return None
            if words == "/help":
                show(HELP)
            elif words.startswith("/say "):
                return pb.TurnRequest(utterance=pb.Utterance(text=words.removeprefix("/say ").strip()))
            elif words.startswith("/give "):
                _, name, value = (*words.split(maxsplit=2), "")[:3]
                return collected_request(program, name, value)
            elif words.startswith("/"):
                return event_request(words.removeprefix("/"))
            elif words:
                said = pb.TurnRequest(utterance=pb.Utterance(text=words))
                return collected_request(program, waiting, words) if waiting else said
        except UnicodeEncodeError:
            show("  this line is not in UTF-8")
        except (ValueError, Misfit) as error:
            show(f"  {error}")
    return None


async def _turn(
    stub: conversations_pb2_grpc.ConversationsStub, conversation: str, event: pb.TurnRequest, show: Print
) -> pb.TurnResponse | None:
    """The answer, shown; None where it was refused, and that is shown."""
    request = pb.TurnRequest(conversation_id=conversation, request_id=str(uuid.uuid4()))
    request.MergeFrom(event)
    try:
        response = await stub.Turn(request, timeout=TURN_SECONDS)
        explained = await stub.Explain(
            pb.ExplainRequest(conversation_id=conversation, request_id=request.request_id), timeout=TURN_SECONDS
        )
    except grpc.aio.AioRpcError as error:
        show(f"  refused   {error.code().name}: {error.details()}")
        return None
    show_turn(explained.decisions, response, show)
    return response
