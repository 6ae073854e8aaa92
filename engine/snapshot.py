"""A conversation as a program sees it, and how the store keeps that."""

from dataclasses import dataclass
from typing import cast

from charter.dsl.program import FORMAT, LANGUAGE, OVER, TRANSFERRING, TURN_OPEN, Program, State
from charter.dsl.values import Json, from_json, to_json
from charter.engine.store import Conversation


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a conversation stands after `version` commits and `sequence` records, the last one of an event at `now`."""

    state: State
    now: int = 0
    version: int = 0
    sequence: int = 0

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
    def working(self) -> bool:
        """The turn waits for agents: whoever holds it has to go on with it."""
        return self.open and not self.transferring and not self.over

    @property
    def language(self) -> str:
        """The conversation's language; empty before it has one."""
        language = self.state[LANGUAGE]
        return language if isinstance(language, str) else ""


def is_of(program: Program, stored: Conversation) -> bool:
    """Whether the conversation runs under this very program."""
    return stored.policy_digest == program.digest and stored.state["format"] == FORMAT


def snapshot(program: Program, stored: Conversation) -> Snapshot:
    """The conversation as stored under this very program."""
    kept = cast("dict[str, Json]", stored.state["variables"])
    state = {name: from_json(kept[name], info.type, name) for name, info in program.variables.items()}
    return Snapshot(state, cast("int", stored.state["now"]), stored.version, stored.last_sequence)


def stored_state(program: Program, snapshot: Snapshot) -> dict[str, Json]:
    """What the store keeps of a conversation: its variables, and the time that the next event may not precede."""
    variables: dict[str, Json] = {n: to_json(snapshot.state[n], info.type) for n, info in program.variables.items()}
    return {"format": FORMAT, "now": snapshot.now, "variables": variables}
