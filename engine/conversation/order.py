"""In which order events come into a conversation: which have to wait, and which cannot come at all.

It is the order of `charter.dsl.session`, for events that come as they happen.
"""

from charter.dsl.program import Event, EventKind, Opening, Program
from charter.dsl.semantics import possible
from charter.engine.conversation.errands import Errand, Waits
from charter.engine.conversation.flight import Flight
from charter.engine.conversation.refused import Refused, Why
from charter.engine.conversation.snapshot import Snapshot

SILENCE = EventKind("silence")
START = EventKind("start")
HANGUP = EventKind("hangup")


def must_wait(program: Program, known: Snapshot, kind: EventKind) -> bool:
    """Whether the event waits: for the end of a transfer, or, if it opens a turn, for the close of the open one."""
    if known.over or kind == HANGUP:
        return False
    if known.transferring:
        return not kind.startswith(("escalated ", "escalate "))
    return known.open and program.events[kind].opening is Opening.OPENS


def unfit(program: Program, known: Snapshot, flight: Flight, now: int) -> Refused | None:
    """Why what the request reports cannot come now; None where it can."""
    if flight.kind == START and known.version:
        return Refused(Why.STARTED, "the conversation has started")
    if flight.kind != START and not known.version:
        return Refused(Why.NOT_STARTED, "the conversation has not started: `start` comes first")
    settles = flight.kind.split(" ")[0] in program.tools
    if known.over and not settles:
        return Refused(Why.OVER, "the conversation is over")
    if settles and doubted(known, flight) is None:
        return Refused(Why.UNEXPECTED, f"no call with these arguments is uncertain: `{flight.kind}` cannot come")
    if not possible(program, known.state, Event(flight.kind, flight.fields, now)):
        return Refused(Why.UNEXPECTED, f"`{flight.kind}` cannot come now")
    return None


def waited_in_vain(known: Snapshot | None) -> Refused:
    """Why an event could not come in the time that its request allowed."""
    if known is not None and known.transferring:
        return Refused(Why.TRANSFERRING, "the conversation waits for the end of a transfer")
    return Refused(Why.BUSY, "a turn of the conversation is open")


def doubted(known: Snapshot, flight: Flight) -> Errand | None:
    """The uncertain call that the event settles."""
    tool = flight.kind.split(" ")[0]
    doubts = [one for one in known.errands.values() if one.waits is Waits.DOUBT and one.name == tool]
    return next((one for one in doubts if all(flight.fields[n] == v for n, v in one.args.items())), None)
