"""What a conversation waits for: asks and calls under way, timers that run, transfers that are pending.

They are kept with its state, so that whoever loads a conversation knows all that is left to do, and those that must not
be lost with a process stand in the store's outbox too.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from charter.dsl.program import OVER, TRANSFERRING, ActKind, Event, Program
from charter.dsl.semantics import Outcome
from charter.dsl.types import Value
from charter.dsl.values import Json, from_json, to_json
from charter.engine.store import ConversationId, IdempotencyKey, NewEntry, RequestId


class Waits(StrEnum):
    """What for."""

    ASK = "ask"
    CALL = "call"
    EXHAUSTED = "exhausted"  # its failure comes before anything else
    DOUBT = "doubt"  # a call that was uncertain: somebody may still tell what came of it
    TIMER = "timer"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing that is waited for until `due`, milliseconds since the epoch; `request` is the one that led to it."""

    key: IdempotencyKey
    waits: Waits
    name: str
    due: int
    request: RequestId | None = None
    args: Mapping[str, Value] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """The turn stays open for it, and a server has to go on with it."""
        return self.waits in _HOLDING

    @property
    def rings(self) -> bool:
        """An alarm is set for it."""
        return self.waits in _RINGING


Errands: TypeAlias = Mapping[IdempotencyKey, Errand]

_HOLDING = frozenset({Waits.ASK, Waits.CALL, Waits.EXHAUSTED})
_RINGING = frozenset({Waits.TIMER, Waits.TRANSFER})
_KIND_OF_ACT: Mapping[ActKind, Waits] = {
    ActKind.ASK: Waits.ASK,
    ActKind.CALL: Waits.CALL,
    ActKind.EXHAUSTED: Waits.EXHAUSTED,
    ActKind.TIMER: Waits.TIMER,
    ActKind.ESCALATE: Waits.TRANSFER,
}


class Change(NamedTuple):
    """What a step changes: the errands after it, those that it began, and those that are done with it."""

    errands: Errands
    begun: tuple[Errand, ...] = ()
    done: tuple[Errand, ...] = ()


class Happened(NamedTuple):
    """A step: its record's place in the conversation, and the errand and the request that it belongs to."""

    event: Event
    outcome: Outcome
    conversation: ConversationId
    sequence: int
    request: RequestId | None
    answers: Errand | None


def change(program: Program, before: Errands, step: Happened, *, longest_ms: int) -> Change:
    """The errands after a step; an ask takes at most `longest_ms`."""
    begun = () if step.outcome.dropped else tuple(_begun(program, step, longest_ms))
    state = step.outcome.state
    done = [errand for errand in before.values() if _ends(errand, step, begun, over=bool(state[OVER]))]
    dropped = not _awaits_agents(step.outcome)
    kept = {
        errand.key: _now(errand, step)
        for errand in before.values()
        if errand not in done and not (dropped and errand.waits is Waits.ASK)
    }
    return Change(kept | {errand.key: errand for errand in begun}, begun, tuple(done))


def outbox_entries(change: Change, *, record: int) -> tuple[NewEntry, ...]:
    """What a change puts into the outbox, by the record of this index: what is done outside or comes by itself."""
    return tuple(
        NewEntry(key=one.key, kind=one.waits.value, payload={"name": one.name}, record=record, due=one.due)
        for one in change.begun
        if one.waits is Waits.CALL or one.rings
    )


def _begun(program: Program, step: Happened, longest_ms: int) -> Iterator[Errand]:
    for place, act in enumerate(step.outcome.acts):
        waits = _KIND_OF_ACT.get(act.kind)
        if waits is None:
            continue
        args = dict(act.args)
        match waits:
            case Waits.TIMER:
                within, args = args["duration"], {}
            case Waits.TRANSFER:
                within = program.queues[act.name].within
            case Waits.CALL:
                within = program.tools[act.name].within
            case _:
                within = longest_ms
        key = IdempotencyKey(f"{step.conversation}/{step.sequence}/{place}")
        due = step.event.now + (within if isinstance(within, int) else 0)
        request = None if waits in _RINGING else step.request  # what rings belongs to no request
        yield Errand(key, waits, act.name, due, request, args)


def _ends(errand: Errand, step: Happened, begun: Iterable[Errand], *, over: bool) -> bool:
    """Whether the step has done with the errand; an ask that is merely dropped is not among them."""
    if errand is step.answers:
        return not _is_doubt(errand, step)
    match errand.waits:
        case Waits.TIMER:
            return over or any(one.waits is Waits.TIMER and one.name == errand.name for one in begun)
        case Waits.TRANSFER:
            return over or step.event.kind == f"escalate {errand.name} fails"
        case _:
            return False


def _awaits_agents(outcome: Outcome) -> bool:
    return not outcome.state[OVER] and not outcome.state[TRANSFERRING]


def _is_doubt(errand: Errand, step: Happened) -> bool:
    return errand.waits is Waits.CALL and step.event.kind == f"{errand.name} uncertain"


def _now(errand: Errand, step: Happened) -> Errand:
    """The errand after a step that does not end it."""
    if errand is step.answers and _is_doubt(errand, step):
        return replace(errand, waits=Waits.DOUBT)
    if errand.holds and step.request is not None and step.event.kind.startswith("escalate "):
        # The transfer answered all requests before it; that which says how it failed waits for what is left.
        return replace(errand, request=step.request)
    return errand


# --- as they are stored ----------------------------------------------------------------------------------------------


def errands_json(program: Program, errands: Errands) -> list[Json]:
    """The errands as JSON."""
    return [
        {
            "key": errand.key,
            "waits": errand.waits.value,
            "name": errand.name,
            "due": errand.due,
            "request": errand.request,
            "args": {name: to_json(errand.args[name], type_) for name, type_ in _types(program, errand.name)}
            if errand.args
            else {},
        }
        for errand in errands.values()
    ]


def errands_from(program: Program, json: Iterable[Any]) -> Errands:
    """The errands that were stored so."""
    errands = {}
    for one in json:
        types, key = dict(_types(program, one["name"])), IdempotencyKey(one["key"])
        args = {name: from_json(value, types[name], name) for name, value in one["args"].items()}
        errands[key] = Errand(key, Waits(one["waits"]), one["name"], one["due"], one["request"], args)
    return errands


def _types(program: Program, name: str) -> Iterable[tuple[str, Any]]:
    tool = program.tools.get(name)
    return tool.args if tool else ()
