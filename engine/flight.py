"""A request on its way: from its arrival to its recorded answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from charter.dsl.program import Act, EventKind
from charter.dsl.types import Value
from charter.engine.store import Digest, RequestId


@dataclass(slots=True, kw_only=True)
class Flight:
    """A request that is being worked on, and what came of it so far."""

    id: RequestId
    digest: Digest
    kind: EventKind
    fields: Mapping[str, Value]
    until: float  # on the event loop's clock: what is pending then fails as late
    recorded: bool = False  # the store knows of it
    acts: list[Act] = field(default_factory=list)
    pending: int = 0  # asks made in its name that are not answered
    response: bytes | None = None
