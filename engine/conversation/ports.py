"""What a turn works with: the ports that the composition root fills, and what a turn tells to what surrounds it."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from charter.dsl.program import Event, State
from charter.engine.conversation.asks import Ask, Failed, Suggested
from charter.engine.conversation.calls import Call, Called
from charter.engine.conversation.clock import Clock
from charter.engine.conversation.errands import Errand
from charter.engine.conversation.flight import Shown
from charter.engine.conversation.record import Recorder
from charter.engine.decide import Decision
from charter.engine.deployment import Limits
from charter.engine.store import ConversationId, IdempotencyKey, Owner, RequestId, Store

SLACK_MS = 10_000
"""A lease ends this long after the last answer that is waited for is due: then a crash left the conversation."""


class Decider(Protocol):
    """Decides under one program."""

    def decide(self, state: State, event: Event) -> Decision:
        """What the event does to a conversation in this state."""


class Agents(Protocol):
    """Asks agents."""

    async def ask(self, ask: Ask) -> Suggested | Failed:
        """The answer, by `ask.until` at the latest; never an exception."""


class Tools(Protocol):
    """Calls tools."""

    async def call(self, call: Call) -> Called:
        """What came of it, whenever that is known; never an exception. To cancel it gives the answer up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a turn works with."""

    recorder: Recorder
    decider: Decider
    agents: Agents
    tools: Tools
    store: Store
    clock: Clock
    owner: Owner
    limits: Limits = field(default_factory=Limits)


class Told(NamedTuple):
    """A step that is on record, for whoever listens to the conversation."""

    sequence: int
    request: RequestId | None
    acts: tuple[Shown, ...]
    language: str
    open: bool
    over: bool


class Surroundings(Protocol):
    """What a conversation tells while it is held."""

    def alarm(self, conversation: ConversationId, errand: Errand) -> None:
        """From now on the errand rings when it is due."""

    def calm(self, key: IdempotencyKey) -> None:
        """The errand of this key rings no more."""

    def tell(self, conversation: ConversationId, told: Told) -> None:
        """A step is on record."""
