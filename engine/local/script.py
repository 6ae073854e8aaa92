"""A file of conversations to play: what the customer says or does, and the decision that is expected each time."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from charter.dsl.program import EventKind, Program
from charter.dsl.types import BoolType, IntType
from charter.dsl.values import Json, Misfit, from_json
from charter.engine.conversation.messages import to_message
from charter.v1 import conversations_pb2 as pb

CHANNELS = {"voice": pb.CHANNEL_VOICE, "chat": pb.CHANNEL_CHAT, "message": pb.CHANNEL_MESSAGE}
EVENTS = "silence, hangup, interrupt, keys 1, escalated QUEUE, escalate QUEUE fails, collect FACT fails"

_Table: TypeAlias = Mapping[str, Any]


class InvalidScript(Exception):
    """A file that cannot be played; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Move:
    """What the customer or the platform does next. `shown` is for people; `event` names no conversation yet."""

    shown: str
    event: pb.TurnRequest
    expect: tuple[str, ...]  # acts as a policy spells them, in order


@dataclass(frozen=True, slots=True)
class PlayedConversation:
    """One conversation, from its start. The processes that are `down` are ended before it, and stay so."""

    about: str
    moves: tuple[Move, ...]
    down: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cast:
    """The processes to start, by name: the arguments of `python -m charter.agents`; and which of them answers for what.

    INVARIANT: `agents` and `tools` name processes; `*` stands for every other tool.
    """

    processes: Mapping[str, tuple[str, ...]]
    agents: Mapping[str, str]
    tools: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Script:
    """Conversations, and who is needed for them."""

    cast: Cast
    conversations: tuple[PlayedConversation, ...]


def read_script(path: Path, program: Program) -> Script:
    """The script in a file, for this policy; raises `InvalidScript`."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        _known(document, "", "processes", "agents", "tools", "conversation")
        cast = _cast(document)
        conversations = tuple(_conversation(table, program, cast) for table in document["conversation"])
    except OSError as error:
        raise InvalidScript(f"{path}: {error.strerror}") from error
    except KeyError as error:
        raise InvalidScript(f"{path}: {error} is missing") from error
    except (ValueError, TypeError, AttributeError, Misfit) as error:
        raise InvalidScript(f"{path}: {error}") from error
    if not conversations:
        raise InvalidScript(f"{path}: there is no conversation in it")
    return Script(cast, conversations)


def event_request(words: str) -> pb.TurnRequest:
    """The event that these words stand for, such as `keys 1`; else a `ValueError`."""
    match words.split():
        case ["silence"]:
            return pb.TurnRequest(silence=pb.Silence())
        case ["hangup"]:
            return pb.TurnRequest(hangup=pb.Hangup())
        case ["interrupt"]:
            return pb.TurnRequest(interrupt=pb.Interrupt())
        case ["keys", digits]:
            return pb.TurnRequest(keys=pb.Keys(digits=digits))
        case ["escalated", queue]:
            return pb.TurnRequest(escalated=pb.Escalated(queue=queue))
        case ["escalate", queue, "fails"]:
            return pb.TurnRequest(escalate_failed=pb.EscalateFailed(queue=queue))
        case ["collect", name, "fails"]:
            return pb.TurnRequest(collect_failed=pb.CollectFailed(name=name, reason=pb.FAILURE_REASON_LATE))
        case _:
            raise ValueError(f"`{words}` is no event; try {EVENTS}")


def collected_request(program: Program, name: str, words: str) -> pb.TurnRequest:
    """The event that this value was given for what the policy collects as `name`; else a `ValueError` or `Misfit`."""
    event = program.events.get(EventKind(f"collected {name}"))
    if event is None:
        raise ValueError(f"the policy collects no `{name}`")
    type_ = dict(event.fields)["value"]
    json: Json = words
    match type_:
        case IntType():
            json = int(words) if words.lstrip("-").isdecimal() else words
        case BoolType():
            json = {"true": True, "false": False}.get(words, words)
    value = from_json(json, type_, name)
    return pb.TurnRequest(collected=pb.Collected(name=name, value=to_message(value, type_)))


def start_request(policy: str, *, channel: str, language: str, caller: str = "") -> pb.TurnRequest:
    """The event that begins a conversation."""
    start = pb.Start(policy=policy, channel=CHANNELS[channel], language=language, caller=caller)
    return pb.TurnRequest(start=start)


def _cast(document: _Table) -> Cast:
    processes = {name: tuple(command) for name, command in document.get("processes", {}).items()}
    agents, tools = dict(document.get("agents", {})), dict(document.get("tools", {}))
    for name in (*agents.values(), *tools.values()):
        if name not in processes:
            raise ValueError(f"there is no process `{name}` in [processes]")
    return Cast(processes, agents, tools)


def _conversation(table: _Table, program: Program, cast: Cast) -> PlayedConversation:
    _known(table, "conversation", "about", "channel", "language", "caller", "down", "expect", "turn")
    down = tuple(table.get("down", ()))
    for name in down:
        if name not in cast.processes:
            raise ValueError(f"there is no process `{name}` in [processes]")
    channel, language, caller = table["channel"], table["language"], table.get("caller", "")
    start = start_request(program.name, channel=channel, language=language, caller=caller)
    shown = ", ".join(word for word in (channel, language, caller) if word)
    first = Move(f"({shown})", start, tuple(table["expect"]))
    return PlayedConversation(table["about"], (first, *(_move(turn, program) for turn in table["turn"])), down)


def _move(table: _Table, program: Program) -> Move:
    _known(table, "conversation.turn", "says", "gives", "event", "expect")
    expect = tuple(table["expect"])
    if "says" in table:
        return Move(f'"{table["says"]}"', pb.TurnRequest(utterance=pb.Utterance(text=table["says"])), expect)
    if "gives" in table:
        ((name, value),) = table["gives"].items()
        return Move(f"({name}: {value})", collected_request(program, name, str(value)), expect)
    return Move(f"({table['event']})", event_request(table["event"]), expect)


def _known(table: _Table, name: str, *keys: str) -> None:
    for key in table:
        if key not in keys:
            raise ValueError(f"unknown key `{key}` in [[{name}]]" if name else f"unknown key `{key}`")
