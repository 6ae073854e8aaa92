"""A request on its way: from its arrival to its recorded answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from charter.dsl.program import Act, EventKind
from charter.dsl.types import Value
from charter.engine.conversation.refused import Refused
from charter.engine.store import Digest, RequestId

Shown: TypeAlias = tuple[int, Act]
"""An act with the place of its record in the conversation."""


@dataclass(slots=True, kw_only=True, eq=False)
class Flight:
    """A request that is being worked on, and what came of it so far."""

    id: RequestId
    digest: Digest
    kind: EventKind
    fields: Mapping[str, Value]
    until: float  # on the event loop's clock: what was asked of agents then fails as late
    recorded: bool = False  # the store knows of it
    acts: tuple[Shown, ...] = ()
    response: bytes | None = None
    failed: Refused | None = None  # it was given up here; the store may still know of it
    landed: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, response: bytes | None) -> None:
        """The answer is on record; None where somebody else has it."""
        self.response = response
        self.landed.set()

    def give_up(self, why: Refused) -> None:
        """Nothing more comes of it here."""
        self.failed = why
        self.landed.set()


@dataclass(slots=True, eq=False)
class Flights:
    """The requests of a conversation that are on record and not answered, and the acts that no answer had."""

    under_way: dict[RequestId, Flight] = field(default_factory=dict)
    untold: tuple[Shown, ...] = ()

    def remember(self, acts: Mapping[RequestId, tuple[Shown, ...]], untold: tuple[Shown, ...], *, until: float) -> None:
        """They are as the store has them; a request that it knows to be answered has landed."""
        for request in self.under_way.keys() - acts.keys():
            self.under_way.pop(request).answer(None)
        for request in acts.keys() - self.under_way.keys():
            self.under_way[request] = Flight(
                id=request, digest=Digest(""), kind=EventKind(""), fields={}, until=until, recorded=True
            )
        self._told(acts, untold)

    def go_on(
        self,
        acts: Mapping[RequestId, tuple[Shown, ...]],
        untold: tuple[Shown, ...],
        responses: Mapping[RequestId, bytes],
        begun: Flight | None,
    ) -> None:
        """This is on record now: a request that began, acts of those that wait, answers to those that do no longer."""
        if begun is not None:
            begun.recorded = True
            self.under_way[begun.id] = begun
        for request, response in responses.items():
            self.under_way.pop(request).answer(response)
        self._told(acts, untold)

    def give_up(self, why: Refused) -> None:
        """Nothing more comes of any of them here."""
        for flight in self.under_way.values():
            flight.give_up(why)
        self.under_way.clear()

    def _told(self, acts: Mapping[RequestId, tuple[Shown, ...]], untold: tuple[Shown, ...]) -> None:
        for request, own in acts.items():
            self.under_way[request].acts = own
        self.untold = untold
