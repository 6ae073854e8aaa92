"""What a server reads of a conversation that it goes on with: where it stands, and what its requests are still owed."""

from collections.abc import Mapping
from dataclasses import dataclass

from charter.engine.conversation.flight import Shown
from charter.engine.conversation.ports import Ports
from charter.engine.conversation.record import acts_in
from charter.engine.conversation.refused import ELSEWHERE, OTHER_POLICY, Refused
from charter.engine.conversation.snapshot import Snapshot, is_of, snapshot
from charter.engine.conversation.step import SHOWN
from charter.engine.store import ConversationId, RequestId


@dataclass(frozen=True, slots=True)
class Recalled:
    """A conversation as stored; the acts of each request that is not answered, and those that no answer had."""

    known: Snapshot
    acts: Mapping[RequestId, tuple[Shown, ...]]
    untold: tuple[Shown, ...]


async def recall(ports: Ports, conversation: ConversationId) -> Recalled | Refused:
    """The conversation, if no other server works on it; one that does not exist is at its beginning."""
    program = ports.recorder.program
    stored = await ports.store.load(conversation)
    if stored is None:
        return Recalled(Snapshot(program.initial), {}, ())
    if not is_of(program, stored):
        return OTHER_POLICY
    lease = stored.lease
    if lease and lease.owner != ports.owner and lease.expires > ports.clock.now():
        return ELSEWHERE
    known = snapshot(program, stored)
    acts = {request: await _acts(ports, conversation, request) for request in known.begun}
    untold: tuple[Shown, ...] = ()
    if known.untold:
        everything = await _acts(ports, conversation, None, after=min(known.untold) - 1)
        untold = tuple((place, act) for place, act in everything if place in known.untold)
    return Recalled(known, acts, untold)


async def _acts(
    ports: Ports, conversation: ConversationId, request: RequestId | None, after: int = 0
) -> tuple[Shown, ...]:
    records = await ports.store.records(conversation, request, after=after)
    acts = ((record.sequence, act) for record in records for act in acts_in(ports.recorder.program, record))
    return tuple((place, act) for place, act in acts if act.kind in SHOWN)
