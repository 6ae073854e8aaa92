"""A conversation as a program sees it and what it waits for, and how the store keeps that."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from charter.dsl.program import FORMAT, LANGUAGE, OVER, TRANSFERRING, TURN_OPEN, Program, State
from charter.dsl.values import Json, from_json, to_json
from charter.engine.conversation.errands import Errands, errands_from, errands_json
from charter.engine.store import Conversation, RequestId


class Snapshot(NamedTuple):
    """Where a conversation stands after `version` commits and `sequence` records, the last one of an event at `now`.

    `begun` are the requests that are on record and not answered, `untold` the records with acts that no answer had,
    `utterance` what the customer said in the open turn.
    """

    state: State
    now: int = 0
    version: int = 0
    sequence: int = 0
    errands: Errands = MappingProxyType({})
    begun: tuple[RequestId, ...] = ()
    untold: tuple[int, ...] = ()
    utterance: str = ""

    @property
    def open(self) -> bool:
        """A turn is open."""
        return bool(self.state[TURN_OPEN])

    @property
    def over(self) -> bool:
        """The conversation is over."""
        return bool(self.state[OVER])

    @property
    def transferring(self) -> bool:
        """The turn waits for the platform to say what became of a transfer."""
        return self.open and bool(self.state[TRANSFERRING])

    @property
    def held(self) -> bool:
        """A server has to go on with it: something was asked or called and is not answered."""
        return any(errand.holds for errand in self.errands.values())

    @property
    def language(self) -> str:
        """The conversation's language; empty before it has one."""
        language = self.state[LANGUAGE]
        return language if isinstance(language, str) else ""


def pending_requests(state: State, errands: Errands) -> frozenset[RequestId]:
    """The requests that are not answered before something that was asked or called in their name is.

    A transfer answers all of them.
    """
    if not state[TURN_OPEN] or state[OVER] or state[TRANSFERRING]:
        return frozenset()
    return frozenset(errand.request for errand in errands.values() if errand.holds and errand.request)


def is_of(program: Program, stored: Conversation) -> bool:
    """Whether the conversation runs under this very program."""
    return stored.policy_digest == program.digest and stored.state["format"] == FORMAT


def snapshot(program: Program, stored: Conversation) -> Snapshot:
    """The conversation as stored under this very program."""
    kept = cast("Mapping[str, Json]", stored.state["variables"])
    state = {
        name: from_json(kept[name], info.type, name) if name in kept else info.initial
        for name, info in program.variables.items()
    }
    rest = cast("Mapping[str, Any]", stored.state)
    return Snapshot(
        state,
        rest["now"],
        stored.version,
        stored.last_sequence,
        errands_from(program, rest["errands"]),
        tuple(RequestId(request) for request in rest["begun"]),
        tuple(rest["untold"]),
        rest["utterance"],
    )


def stored_state(program: Program, snapshot: Snapshot) -> dict[str, Json]:
    """What the store keeps of a conversation: the variables that are not what they were at first, and the rest."""
    state = snapshot.state
    variables: dict[str, Json] = {
        name: to_json(state[name], info.type) for name, info in program.variables.items() if state[name] != info.initial
    }
    return {
        "format": FORMAT,
        "now": snapshot.now,
        "variables": variables,
        "errands": errands_json(program, snapshot.errands),
        "begun": list(snapshot.begun),
        "untold": list(snapshot.untold),
        "utterance": snapshot.utterance,
    }
