"""Decides stored conversations again, from the events on record, and shows the first difference of each."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import Engine, select

from charter.dsl.acts import spelled_act
from charter.dsl.program import Act, Event, Program, State
from charter.dsl.semantics import step
from charter.dsl.values import Misfit, spell
from charter.engine.conversation.record import acts_in, event_in, whole
from charter.engine.conversation.snapshot import is_of, snapshot
from charter.engine.decide import IncidentKind
from charter.engine.store import Conversation, ConversationId, Record
from charter.engine.store.read import list_records, load_conversation
from charter.engine.store.tables import conversations


@dataclass(frozen=True, slots=True)
class Same:
    """Every event is decided as it was, and the conversation stands where it stood."""

    conversation: ConversationId
    events: int


@dataclass(frozen=True, slots=True)
class Different:
    """The first event that is decided otherwise; None where all are, and only what remains at the end differs."""

    conversation: ConversationId
    sequence: int | None
    recorded: str
    decided: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """It cannot be told, and why: values were erased, or the executors differed then."""

    conversation: ConversationId
    why: str


Replayed: TypeAlias = Same | Different | Unclear


def replay_store(
    program: Program, engine: Engine, altered: Collection[ConversationId | None] = ()
) -> Iterator[Replayed]:
    """The conversations of this policy, in the order of their ids, each decided again under this program.

    Those that an audit found altered are left out: nobody knows what their events were. Raises `Tampered` at one that
    the audit did not name.
    """
    with engine.begin() as connection:
        of_policy = select(conversations.c.id).where(conversations.c.policy == program.name)
        for found in connection.scalars(of_policy.order_by(conversations.c.id)).all():
            stored = None if found in altered else load_conversation(connection, ConversationId(found))
            if stored is not None:
                yield replay(program, stored, list_records(connection, stored.id, None, 0, None))


def replay(program: Program, stored: Conversation, records: Sequence[Record]) -> Replayed:
    """One conversation, decided again from all its records."""
    state = program.initial
    for record in records:
        body = whole(record)
        if body["incident"] and body["incident"]["kind"] == IncidentKind.DISAGREEMENT:
            return Unclear(stored.id, f"record {record.sequence}: the executors differed, and the safe stop was made")
        try:
            event, acts = event_in(program, record), acts_in(program, record)
        except (Misfit, KeyError) as error:
            return Unclear(stored.id, f"record {record.sequence} is not of this policy, or was erased: {error}")
        outcome = step(program, state, event)
        fired = [rule["rule"] for rule in body["fired"]]
        recorded = _told(program, event, fired, acts, dropped=body["dropped"] is not None)
        decided = _told(program, event, outcome.fired, outcome.acts, dropped=outcome.dropped is not None)
        if recorded != decided:
            return Different(stored.id, record.sequence, recorded, decided)
        state = outcome.state
    return _ended(program, stored, state, len(records))


def _ended(program: Program, stored: Conversation, state: State, events: int) -> Replayed:
    if not is_of(program, stored):
        return Same(stored.id, events)  # another version has other variables: there is nothing to compare
    kept = snapshot(program, stored).state
    for name, info in program.variables.items():
        if kept[name] != state[name]:
            was, now = (f"`{name}` is {spell(values[name], info.type)}" for values in (kept, state))
            return Different(stored.id, None, was, now)
    return Same(stored.id, events)


def _told(program: Program, event: Event, fired: Sequence[str], acts: Sequence[Act], *, dropped: bool) -> str:
    if dropped:
        return f"`{event.kind}` is dropped"
    rules = ", ".join(fired) or "no rule"
    return f"`{event.kind}` fires {rules}: {'; '.join(spelled_act(program, act) for act in acts) or 'nothing is done'}"
