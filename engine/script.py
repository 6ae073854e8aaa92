"""A file of conversations to play: what the customer says or does, and the decision that is expected each time."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from charter.v1 import conversations_pb2 as pb

CHANNELS = {"voice": pb.CHANNEL_VOICE, "chat": pb.CHANNEL_CHAT, "message": pb.CHANNEL_MESSAGE}

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
    """One conversation, from its start."""

    about: str
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """Conversations, and the agents to start for them: by name, the arguments of `python -m charter.agents`."""

    agents: Mapping[str, tuple[str, ...]]
    conversations: tuple[PlayedConversation, ...]


def read_script(path: Path, policy: str) -> Script:
    """The script in a file, for a policy of this name; raises `InvalidScript`."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        agents = {name: tuple(command) for name, command in _keys(document, "", "agents", "conversation")[0].items()}
        conversations = tuple(_conversation(table, policy) for table in document["conversation"])
    except OSError as error:
        raise InvalidScript(f"{path}: {error.strerror}") from error
    except KeyError as error:
        raise InvalidScript(f"{path}: {error} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidScript(f"{path}: {error}") from error
    if not conversations:
        raise InvalidScript(f"{path}: there is no conversation in it")
    return Script(agents, conversations)


def event_request(words: str) -> pb.TurnRequest:
    """The event that these words stand for: `silence`, `keys 1`, `escalate general fails`; else a `ValueError`."""
    match words.split():
        case ["silence"]:
            return pb.TurnRequest(silence=pb.Silence())
        case ["hangup"]:
            return pb.TurnRequest(hangup=pb.Hangup())
        case ["keys", digits]:
            return pb.TurnRequest(keys=pb.Keys(digits=digits))
        case ["escalated", queue]:
            return pb.TurnRequest(escalated=pb.Escalated(queue=queue))
        case ["escalate", queue, "fails"]:
            return pb.TurnRequest(escalate_failed=pb.EscalateFailed(queue=queue))
        case _:
            raise ValueError(f"`{words}` is no event; try silence, hangup, keys 1, escalated QUEUE")


def _conversation(table: _Table, policy: str) -> PlayedConversation:
    keys = ("about", "channel", "language", "expect", "turn")
    about, channel, language, expect, turns = _keys(table, "conversation", *keys)
    start = pb.Start(policy=policy, channel=CHANNELS[channel], language=language)
    first = Move(f"({channel}, {language})", pb.TurnRequest(start=start), tuple(expect))
    return PlayedConversation(about, (first, *(_move(turn) for turn in turns)))


def _move(table: _Table) -> Move:
    if "says" in table:
        says, expect = _keys(table, "conversation.turn", "says", "expect")
        return Move(f'"{says}"', pb.TurnRequest(utterance=pb.Utterance(text=says)), tuple(expect))
    event, expect = _keys(table, "conversation.turn", "event", "expect")
    return Move(f"({event})", event_request(event), tuple(expect))


def _keys(table: _Table, name: str, *keys: str) -> list[Any]:
    for key in table:
        if key not in keys:
            raise ValueError(f"unknown key `{key}` in [[{name}]]" if name else f"unknown key `{key}`")
    return [table[key] for key in keys]
