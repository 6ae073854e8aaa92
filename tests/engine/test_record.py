"""Audit records: what is personal stays out of the public part, and what is read again is what was written."""

from collections.abc import Mapping

import pytest
from serving import CARD_SUPPORT

from charter.dsl.load import Loaded, load_text
from charter.dsl.program import Event, EventKind, Program
from charter.dsl.semantics import replays
from charter.dsl.types import Value
from charter.dsl.values import Misfit
from charter.engine.conversation.facts_read import facts_read
from charter.engine.conversation.record import Decided, acts_in, event_in, record_of, recorder, whole
from charter.engine.decide import Decision
from charter.engine.store import Digest, NewRecord, Record, RequestId

COUNTING = (
    CARD_SUPPORT.replace("rule silent    on silence or keys   do say say_again", "")
    + """
fact tries: int 0..9 = 0
fact pin: id?
rule count on silence when was tries < 9  do set tries = was tries + 1  say say_again
rule typed on keys  do set pin = its digits  say say_again
rule again on silence when pin is known and tries >= 1  do note "known"
"""
)


def program(text: str) -> Program:
    loaded = load_text(text)
    assert isinstance(loaded, Loaded), str(loaded)
    return loaded.program


def happened(kind: str, now: int, **fields: Value) -> Event:
    return Event(EventKind(kind), fields, now)


EVENTS = (
    happened("start", 1, channel="voice", language="en", caller="+4915112345678"),
    happened("silence", 2),
    happened("keys", 3, digits="4711"),
    happened("silence", 4),
    happened("utterance", 5, text="my name is Ada"),
    happened("classify fails", 6, reason="late"),
)


def records(of: Program) -> list[NewRecord]:
    """The records of a conversation of these events."""
    writes, request = recorder(of), RequestId("r")
    outcomes = replays(of, EVENTS)
    return [
        record_of(writes, Decided(request, event, Decision(outcome, None, 0, 0)))
        for event, outcome in zip(EVENTS, outcomes, strict=True)
    ]


def kept(new: NewRecord, personal: Mapping[str, object] | None = None) -> Record:
    """The record as a store gives it back; with no personal values where they were erased."""
    left = new.personal if personal is None else {}
    return Record(
        sequence=1,
        at=new.at,
        request_id=new.request_id,
        public=new.public,
        personal=left,
        erased=tuple(path for path in new.personal if path not in left),
        previous=Digest(""),
        hash=Digest(""),
    )


def test_events_and_acts_are_read_again_as_they_were() -> None:
    of = program(COUNTING)
    outcomes = replays(of, EVENTS)
    for new, event, outcome in zip(records(of), EVENTS, outcomes, strict=True):
        assert outcome.dropped is None
        assert event_in(of, kept(new)) == event
        assert acts_in(of, kept(new)) == outcome.acts


def test_nothing_personal_is_in_the_public_part() -> None:
    public = str([record.public for record in records(program(COUNTING))])
    for told in ("+4915112345678", "4711", "Ada"):
        assert told not in public


def test_a_fact_is_shown_as_the_rule_saw_it() -> None:
    of = program(COUNTING)
    bodies = [whole(kept(new)) for new in records(of)]
    assert [(rule["rule"], rule["facts"]) for rule in bodies[1]["fired"]] == [("count", {"was tries": 0})]
    assert [(rule["rule"], rule["facts"]) for rule in bodies[3]["fired"]] == [
        ("count", {"was tries": 1}),
        ("again", {"pin": "4711", "tries": 2}),
    ]
    outcome = replays(of, EVENTS)[3]
    (again,) = [c for stratum in of.strata[EventKind("silence")] for c in stratum if c.rule == "again"]
    assert [(fact.name, fact.seen(outcome)) for fact in facts_read(of, again)] == [
        ("pin", "4711"),
        ("tries", 2),
    ]


def test_an_erased_event_is_not_taken_for_an_unknown_one() -> None:
    of = program(COUNTING)
    start = records(of)[0]
    with pytest.raises(Misfit, match="erased"):
        event_in(of, kept(start, {}))
    assert whole(kept(start, {}))["event"]["fields"]["caller"] is None
