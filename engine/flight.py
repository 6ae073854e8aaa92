"""A request on its way: from its arrival to its recorded answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from charter.dsl.program import Act, EventKind
from charter.dsl.types import Value
from charter.engine.refused import Refused
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
