"""Plays conversations through the public gRPC client and shows each as a transcript with the reasons beside it."""

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import grpc.aio

from charter.engine.local.running import Print, Running
from charter.engine.local.script import Move, PlayedConversation, Script
from charter.v1 import conversations_pb2 as pb
from charter.v1 import conversations_pb2_grpc, values_pb2

TURN_SECONDS = 8.0  # what the shortest-tempered platforms allow


@dataclass(slots=True)
class Tally:
    """What was played. Times in ms: each turn as the client saw it, each answer of an agent or tool, each decision."""

    turns: int = 0
    misses: list[str] = field(default_factory=list)
    turn_ms: list[float] = field(default_factory=list)
    answering_ms: list[float] = field(default_factory=list)
    deciding_ms: list[float] = field(default_factory=list)


async def play(script: Script, up: Running, show: Print) -> Tally:
    """Every conversation was played to its end and shown; what was not as expected is in the tally."""
    tally = Tally()
    for number, conversation in enumerate(script.conversations, 1):
        show(f"\n{number}. {conversation.about}\n")
        for name in conversation.down:
            await up.end(name)
            show(f"  ({name} is down)")
        await _play(conversation, up.stub, show, tally)
    return tally


def summary(tally: Tally) -> Iterator[str]:
    """What was played and how long it took, a line each."""
    yield f"{tally.turns} turns, {len(tally.deciding_ms)} decisions, {len(tally.misses)} not as expected"
    for what, times in (
        ("a turn", tally.turn_ms),
        ("an answer", tally.answering_ms),
        ("a decision", tally.deciding_ms),
    ):
        if times:
            yield f"{what + ':':<19} p50 {_ms(sorted(times)[len(times) // 2])}, at most {_ms(max(times))}"
    yield from (f"not as expected: {miss}" for miss in tally.misses)


async def _play(
    conversation: PlayedConversation, stub: conversations_pb2_grpc.ConversationsStub, show: Print, tally: Tally
) -> None:
    """Plays until the end, or until a call fails: then the conversation is not where the next line expects it."""
    name = str(uuid.uuid4())
    for move in conversation.moves:
        request = pb.TurnRequest(conversation_id=name, request_id=str(uuid.uuid4()))
        request.MergeFrom(move.event)
        began = time.perf_counter()
        try:
            response = await stub.Turn(request, timeout=TURN_SECONDS)
            tally.turn_ms.append((time.perf_counter() - began) * 1000)
            explained = await stub.Explain(pb.ExplainRequest(conversation_id=name, request_id=request.request_id))
        except grpc.aio.AioRpcError as error:
            tally.misses.append(f"{move.shown}: {error.code().name}: {error.details()}")
            show(f"  MISS      {tally.misses[-1]}")
            return
        show(f"  {'customer' if move.event.HasField('utterance') else 'event':<9} {move.shown}")
        show_turn(explained.decisions, response, show)
        _count(move, explained.decisions, response, show, tally)


def _count(move: Move, decisions: Sequence[pb.Decision], response: pb.TurnResponse, show: Print, tally: Tally) -> None:
    tally.turns += 1
    for decision in decisions:
        tally.deciding_ms.append(milliseconds(decision.deciding))
        if decision.HasField("answering"):
            tally.answering_ms.append(milliseconds(decision.answering))
    done = tuple(spelled(act) for act in response.acts)
    if done != move.expect:
        miss = f"{move.shown}: {_listed(move.expect)} was expected, {_listed(done)} was done"
        tally.misses.append(miss)
        show(f"  MISS      {_listed(move.expect)} was expected")


def show_turn(decisions: Sequence[pb.Decision], response: pb.TurnResponse, show: Print) -> None:
    """What was suggested and answered, which rules decided, and what is done about it."""
    for number, decision in enumerate(decisions):
        if number or decision.HasField("answering"):
            said = ", ".join(f"{one.name} {shown(one.value)}" for one in decision.fields)
            took = (
                f"{_ms(milliseconds(decision.answering))}{_asked(decision)}" if decision.HasField("answering") else ""
            )
            show(f"            {decision.event}{said and f': {said}'}{took and f'  ({took})'}")
        for rule in decision.fired:
            acts = f"  → {'; '.join(rule.acts)}" if rule.acts else ""
            show(f"            rule {rule.rule}  {rule.file}:{rule.line}{acts}")
        if decision.HasField("incident"):
            show(f"            SAFE STOP {'; '.join(decision.incident.reasons)}  → {'; '.join(decision.acts)}")
    for act in response.acts:
        show(f"  charter   {_told(act)}")
    if response.open and not any(act.HasField("escalate") for act in response.acts):
        show("            (the turn is still open)")


def _asked(decision: pb.Decision) -> str:
    """Who failed before the answer came; nobody, where the first one had it."""
    failed = [f"{one.name} {one.failed}" for one in decision.attempts if one.failed]
    return f"; {', '.join(failed)}" if failed else ""


def spelled(act: pb.Act) -> str:
    """An act of a response as a policy spells it: `say opening_hours`, `escalate card_desk`."""
    match act.WhichOneof("kind"):
        case "disclose":
            return f"disclose {act.disclose.name}"
        case "say":
            return f"say {act.say.name}"
        case "escalate":
            return f"escalate {act.escalate.queue}"
        case "end":
            return "end"
        case "collect":
            return f"collect {act.collect.name}"
        case _:
            return "(an act that this client does not know)"


def shown(value: values_pb2.Value) -> str:
    """A value, for people."""
    kind = value.WhichOneof("kind")
    return "unknown" if kind is None else str(getattr(value, kind))


def _told(act: pb.Act) -> str:
    match act.WhichOneof("kind"):
        case "disclose":
            return f'discloses: "{act.disclose.text}"'
        case "say":
            return f'says: "{act.say.text}"'
        case "escalate":
            return f"transfers to {act.escalate.queue}{_because(act.escalate.reasons)}"
        case "end":
            return f"ends the conversation{_because(act.end.reasons)}"
        case "collect":
            return f"waits for {act.collect.name}"
        case _:
            return spelled(act)


def _because(reasons: Sequence[str]) -> str:
    return f", because: {'; '.join(reasons)}" if reasons else ""


def _listed(acts: Sequence[str]) -> str:
    return ", ".join(f"`{act}`" for act in acts) or "nothing"


def milliseconds(duration: object) -> float:
    """The length of a `google.protobuf.Duration`."""
    seconds, nanos = getattr(duration, "seconds", 0), getattr(duration, "nanos", 0)
    return float(seconds) * 1000 + float(nanos) / 1e6


def _ms(value: float) -> str:
    return f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"
