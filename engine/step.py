"""What one step writes: its record, the state after it, what is to be carried out, the answers that are complete."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from charter.dsl.program import ActKind, Event, EventKind, Opening, Program
from charter.engine.asks import Failed, Suggested
from charter.engine.calls import Called
from charter.engine.decide import Decision
from charter.engine.errands import Change, Errand, Happened, Waits, change, outbox_entries
from charter.engine.flight import Flight, Shown
from charter.engine.messages import turn_response
from charter.engine.ports import LONGEST_SECONDS, SLACK_MS, Ports
from charter.engine.record import Decided, record_of
from charter.engine.snapshot import Snapshot, pending_requests, stored_state
from charter.engine.store import (
    Answer,
    Commit,
    ConversationId,
    Digest,
    IdempotencyKey,
    Lease,
    NewEntry,
    NewRecord,
    NewRequest,
    RequestId,
)

SHOWN = frozenset({ActKind.DISCLOSE, ActKind.SAY, ActKind.COLLECT, ActKind.ESCALATE, ActKind.END})
"""Acts that the platform carries out; the others stay inside."""
_UTTERANCE = EventKind("utterance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An event that was decided: the request that reports it or the errand that it answers, where it is one of both."""

    event: Event
    decision: Decision
    flight: Flight | None = None
    errand: Errand | None = None
    answer: Suggested | Failed | Called | None = None

    @property
    def request(self) -> RequestId | None:
        """The request in whose turn it came."""
        return self.flight.id if self.flight else self.errand.request if self.errand else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A commit, and what is true once it is durable. `acts` are those of every request that is not answered yet."""

    commit: Commit
    after: Snapshot
    change: Change
    shown: tuple[Shown, ...]
    acts: Mapping[RequestId, tuple[Shown, ...]]
    untold: tuple[Shown, ...]
    responses: Mapping[RequestId, bytes]


def step_commit(
    ports: Ports,
    conversation: ConversationId,
    known: Snapshot,
    flights: Mapping[RequestId, Flight],
    untold: tuple[Shown, ...],
    step: Step,
) -> Plan:
    """The commit of a step. Acts in the name of a request that was answered already go with the next answer."""
    program, outcome, sequence = ports.recorder.program, step.decision.outcome, known.sequence + 1
    happened = Happened(step.event, outcome, conversation, sequence, step.request, step.errand)
    changed = change(program, known.errands, happened, longest_ms=round(LONGEST_SECONDS * 1000))
    shown = tuple((sequence, act) for act in outcome.acts if act.kind in SHOWN)
    acts = {request: flight.acts for request, flight in flights.items()}
    if step.flight is not None:
        acts[step.flight.id] = ()
    if step.request in acts:
        acts[step.request] += shown
    else:
        untold += shown
    pending = pending_requests(outcome.state, changed.errands)
    finished = [request for request in acts if request not in pending]
    after = Snapshot(
        outcome.state,
        step.event.now,
        known.version + 1,
        sequence,
        changed.errands,
        tuple(request for request in acts if request in pending),
        () if finished else tuple(sorted({place for place, _ in untold})),
        _utterance(program, known, step),
    )
    responses: dict[RequestId, bytes] = {}
    for request in finished:
        told = sorted((*untold, *acts.pop(request)), key=lambda shown: shown[0])
        responses[request], untold = turn_response(program, after, conversation, request, told), ()
    commit = _commit(
        ports,
        conversation,
        known,
        after,
        records=(record_of(ports.recorder, Decided(step.request, step.event, step.decision, step.answer)),),
        requests=() if step.flight is None else (NewRequest(step.flight.id, step.flight.digest),),
        answers=tuple(Answer(request, response) for request, response in responses.items()),
        outbox=outbox_entries(changed),
        taken=tuple(errand.key for errand in changed.begun if errand.waits is Waits.CALL),
        done=tuple(errand.key for errand in changed.done if errand.waits not in _UNWRITTEN),
    )
    return Plan(commit=commit, after=after, change=changed, shown=shown, acts=acts, untold=untold, responses=responses)


_UNWRITTEN = frozenset({Waits.ASK, Waits.EXHAUSTED})


def answer_commit(
    ports: Ports, conversation: ConversationId, known: Snapshot, flight: Flight, untold: Iterable[Shown], now: int
) -> Plan:
    """The commit that answers a request with the acts so far, while its calls are open."""
    begun = tuple(request for request in known.begun if request != flight.id)
    after = replace(known, version=known.version + 1, now=max(known.now, now), begun=begun, untold=())
    told = sorted((*untold, *flight.acts), key=lambda shown: shown[0])
    response = turn_response(ports.recorder.program, after, conversation, flight.id, told)
    commit = _commit(ports, conversation, known, after, answers=(Answer(flight.id, response),))
    return Plan(
        commit=commit,
        after=after,
        change=Change(known.errands),
        shown=(),
        acts={},
        untold=(),
        responses={flight.id: response},
    )


def renewal(ports: Ports, conversation: ConversationId, known: Snapshot, errand: Errand, now: int) -> Plan:
    """The commit by which this server takes over a call that is made again, due as if it were made now."""
    within = ports.recorder.program.tools[errand.name].within
    errands = {**known.errands, errand.key: replace(errand, due=now + within)}
    after = replace(known, version=known.version + 1, now=max(known.now, now), errands=errands)
    commit = _commit(ports, conversation, known, after)
    return Plan(commit=commit, after=after, change=Change(errands), shown=(), acts={}, untold=(), responses={})


def _commit(
    ports: Ports,
    conversation: ConversationId,
    known: Snapshot,
    after: Snapshot,
    *,
    records: tuple[NewRecord, ...] = (),
    requests: tuple[NewRequest, ...] = (),
    answers: tuple[Answer, ...] = (),
    outbox: tuple[NewEntry, ...] = (),
    taken: tuple[IdempotencyKey, ...] = (),
    done: tuple[IdempotencyKey, ...] = (),
) -> Commit:
    program = ports.recorder.program
    held = [errand.due for errand in after.errands.values() if errand.holds]
    return Commit(
        conversation=conversation,
        expected_version=known.version,
        owner=ports.owner,
        now=after.now,
        policy=program.name,
        policy_digest=Digest(program.digest),
        state=stored_state(program, after),
        open=bool(held),
        over=after.over,
        lease=Lease(ports.owner, max(after.now, *held) + SLACK_MS) if held else None,
        records=records,
        requests=requests,
        answers=answers,
        outbox=outbox,
        taken=taken,
        done=done,
    )


def _utterance(program: Program, known: Snapshot, step: Step) -> str:
    """What the customer said in the turn that is open after the step."""
    opening = program.events[step.event.kind].opening
    if step.decision.outcome.dropped or opening is Opening.JOINS or (opening is Opening.ANSWERS and known.open):
        return known.utterance
    return str(step.event.fields["text"]) if step.event.kind == _UTTERANCE else ""
