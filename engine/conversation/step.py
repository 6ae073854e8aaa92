"""What one commit writes: the records of its steps, the state after them, what is to be carried out, the answers that
are complete.

A step is added to a plan, on the state that the plan leads to; the plan is then written as a whole.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from charter.dsl.program import ActKind, Event, EventKind, Opening, Program
from charter.dsl.semantics import trusted
from charter.dsl.session import failure
from charter.dsl.types import Value
from charter.engine.conversation.asks import Failed, Reason, Suggested
from charter.engine.conversation.calls import Called
from charter.engine.conversation.errands import Errand, Happened, Waits, change, outbox_entries
from charter.engine.conversation.flight import Flight, Flights, Shown
from charter.engine.conversation.messages import turn_response
from charter.engine.conversation.ports import SLACK_MS, Ports, Told
from charter.engine.conversation.record import Decided, record_of
from charter.engine.conversation.snapshot import Snapshot, pending_requests, stored_state
from charter.engine.decide import Decision
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
_UNWRITTEN = frozenset({Waits.ASK, Waits.EXHAUSTED})


class Step(NamedTuple):
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


class Plan(NamedTuple):
    """What one commit will have changed, from `before` to `after`. `acts` are those of every request that is not
    answered yet, `untold` those that no answer had, `told` what listeners hear.
    """

    conversation: ConversationId
    before: Snapshot
    after: Snapshot
    acts: Mapping[RequestId, tuple[Shown, ...]]
    untold: tuple[Shown, ...]
    responses: Mapping[RequestId, bytes]
    told: tuple[Told, ...] = ()
    records: tuple[NewRecord, ...] = ()
    requests: tuple[NewRequest, ...] = ()
    outbox: tuple[NewEntry, ...] = ()
    taken: tuple[IdempotencyKey, ...] = ()
    done: tuple[Errand, ...] = ()

    @property
    def begun(self) -> tuple[Errand, ...]:
        """What is waited for from this commit on."""
        before = self.before.errands
        return tuple(errand for key, errand in self.after.errands.items() if key not in before)


def no_step(conversation: ConversationId, known: Snapshot, flights: Flights, now: int) -> Plan:
    """The plan that changes nothing but the version of the conversation."""
    return Plan(
        conversation=conversation,
        before=known,
        after=known._replace(version=known.version + 1, now=max(known.now, now)),
        acts={request: flight.acts for request, flight in flights.under_way.items()},
        untold=flights.untold,
        responses={},
    )


def with_event(
    ports: Ports,
    plan: Plan,
    kind: EventKind,
    fields: Mapping[str, Value],
    *,
    flight: Flight | None = None,
    errand: Errand | None = None,
    answer: Suggested | Failed | Called | None = None,
) -> Plan:
    """The plan and the step that the event leads to, with the failures of what it asks for too often."""
    program, state, now = ports.recorder.program, plan.after.state, plan.after.now
    event = Event(kind, fields, now)
    if not trusted(program, state, event):
        args = {name: fields[name] for name, _ in program.tools[kind].args}
        event = failure(program, kind, Reason.INVALID.value, args, now)
    decision = ports.decider.decide(state, event)
    plan = with_step(ports, plan, Step(event=event, decision=decision, flight=flight, errand=errand, answer=answer))
    while one := next((one for one in plan.after.errands.values() if one.waits is Waits.EXHAUSTED), None):
        event = failure(program, one.name, Reason.EXHAUSTED.value, dict(one.args), now)
        plan = with_event(ports, plan, event.kind, event.fields, errand=one)
    return plan


def with_step(ports: Ports, plan: Plan, step: Step) -> Plan:
    """The plan and one step more. Acts in the name of a request that was answered already go with the next answer."""
    program, outcome, known, own = ports.recorder.program, step.decision.outcome, plan.after, step.request
    sequence = known.sequence + 1
    happened = Happened(step.event, outcome, plan.conversation, sequence, own, step.errand)
    changed = change(program, known.errands, happened, longest_ms=ports.limits.turn_ms)
    shown = tuple([(sequence, act) for act in outcome.acts if act.kind in SHOWN])
    acts, untold = dict(plan.acts), plan.untold
    if step.flight is not None:
        acts[step.flight.id] = ()
    if own in acts:
        acts[own] += shown
    else:
        untold += shown
    pending = pending_requests(outcome.state, changed.errands)
    finished = [request for request in acts if request not in pending]
    after = Snapshot(
        outcome.state,
        step.event.now,
        known.version,
        sequence,
        changed.errands,
        tuple([request for request in acts if request in pending]),
        () if finished else tuple(sorted({place for place, _ in untold})),
        _utterance(program, known, step),
    )
    responses = dict(plan.responses)
    for request in finished:
        told = sorted((*untold, *acts.pop(request)), key=lambda shown: shown[0])
        responses[request], untold = turn_response(program, after, plan.conversation, request, told), ()
    return Plan(
        conversation=plan.conversation,
        before=plan.before,
        after=after,
        acts=acts,
        untold=untold,
        responses=responses,
        told=(*plan.told, Told(sequence, own, shown, after.language, after.open, after.over)),
        records=(*plan.records, record_of(ports.recorder, Decided(own, step.event, step.decision, step.answer))),
        requests=plan.requests if step.flight is None else (NewRequest(step.flight.id, step.flight.digest),),
        outbox=plan.outbox + outbox_entries(changed, record=len(plan.records)),
        taken=plan.taken + tuple(errand.key for errand in changed.begun if errand.waits is Waits.CALL),
        done=plan.done + changed.done,
    )


def with_answer(ports: Ports, plan: Plan, flight: Flight) -> Plan:
    """The plan that also answers a request with the acts so far, while its calls are open."""
    after = plan.after._replace(begun=tuple(one for one in plan.after.begun if one != flight.id), untold=())
    told = sorted((*plan.untold, *flight.acts), key=lambda shown: shown[0])
    response = turn_response(ports.recorder.program, after, plan.conversation, flight.id, told)
    acts = {request: acts for request, acts in plan.acts.items() if request != flight.id}
    return plan._replace(after=after, acts=acts, untold=(), responses={**plan.responses, flight.id: response})


def with_renewal(ports: Ports, plan: Plan, errand: Errand) -> Plan:
    """The plan by which this server also takes over a call that is made again, due as if it were made now."""
    within = ports.recorder.program.tools[errand.name].within
    errands = {**plan.after.errands, errand.key: replace(errand, due=plan.after.now + within)}
    return plan._replace(after=plan.after._replace(errands=errands))


def commit_of(ports: Ports, plan: Plan) -> Commit:
    """The commit that writes the plan."""
    program, after = ports.recorder.program, plan.after
    held = [errand.due for errand in after.errands.values() if errand.holds]
    return Commit(
        conversation=plan.conversation,
        expected_version=plan.before.version,
        owner=ports.owner,
        now=after.now,
        policy=program.name,
        policy_digest=Digest(program.digest),
        state=stored_state(program, after),
        open=bool(held),
        over=after.over,
        lease=Lease(ports.owner, max(after.now, *held) + SLACK_MS) if held else None,
        records=plan.records,
        requests=plan.requests,
        answers=tuple(Answer(request, response) for request, response in plan.responses.items()),
        outbox=plan.outbox,
        taken=plan.taken,
        done=tuple(errand.key for errand in plan.done if errand.waits not in _UNWRITTEN),
    )


def _utterance(program: Program, known: Snapshot, step: Step) -> str:
    """What the customer said in the turn that is open after the step."""
    opening = program.events[step.event.kind].opening
    if step.decision.outcome.dropped or opening is Opening.JOINS or (opening is Opening.ANSWERS and known.open):
        return known.utterance
    return str(step.event.fields["text"]) if step.event.kind == _UTTERANCE else ""
