"""What every store must do, as checks to run against a factory; an adapter that passes `CHECKS` may serve Charter.

A factory opens the same storage at every call, so that a check can close a store and look at what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from typing import TypeAlias, TypeVar
from uuid import UUID

from .chain import GENESIS
from .commit import (
    Answer,
    Answered,
    Commit,
    ConversationId,
    Digest,
    Erased,
    IdempotencyKey,
    InFlight,
    Json,
    Lease,
    Mismatch,
    NewEntry,
    NewRecord,
    NewRequest,
    Owner,
    RequestId,
    Unseen,
)
from .errors import AlreadyRequested, Closed, Conflict, LeaseHeld, NotInFlight, OutboxRefused, StoreError
from .store import Store, take_over

StoreFactory: TypeAlias = Callable[[], Store]
Check: TypeAlias = Callable[[StoreFactory], Awaitable[None]]
E = TypeVar("E", bound=StoreError)

ONE, TWO = (ConversationId(str(UUID(int=number))) for number in (1, 2))
HERE, ELSEWHERE = Owner("here"), Owner("elsewhere")
KEY = IdempotencyKey("one/1/0")


def digest_of(text: str) -> Digest:
    """The digest of a request's body."""
    return Digest(sha256(text.encode()).hexdigest())


def a_turn(
    conversation: str, expected: int, *, request: str | None = None, says: str = "hello", state: Json = None
) -> Commit:
    """A typical commit: one record with a personal value; with `request`, that request opened and answered."""
    asked = None if request is None else RequestId(request)
    return Commit(
        conversation=ConversationId(conversation),
        expected_version=expected,
        owner=HERE,
        now=1000,
        policy="card_support",
        policy_digest=digest_of("card_support"),
        state={"said": state},
        records=(NewRecord(at=1000, public={"rules": ["greet"]}, request_id=asked, personal={"text": says}),),
        requests=() if asked is None else (NewRequest(asked, digest_of(says)),),
        answers=() if asked is None else (Answer(asked, says.encode()),),
    )


@asynccontextmanager
async def opened(factory: StoreFactory) -> AsyncIterator[Store]:
    """A store that is closed at the end."""
    store = factory()
    try:
        yield store
    finally:
        await store.close()


async def refusal(kind: type[E], doing: Awaitable[object]) -> E:
    """The error of this kind that it ended in."""
    try:
        outcome = await doing
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, not {outcome}")


async def a_commit_is_read_back(factory: StoreFactory) -> None:
    async with opened(factory) as store:
        committed = await store.commit(a_turn(ONE, 0, state=[1, {"é\ud800": None}]))
        found = await store.load(ONE)
        records = await store.records(ONE)
    assert found is not None
    assert (found.version, found.last_sequence, found.last_hash) == (1, 1, committed.last_hash)
    assert found.state == {"said": [1, {"é\ud800": None}]}
    assert (found.open, found.over, found.lease) == (False, False, None)
    assert [(r.sequence, r.public, r.personal, r.previous) for r in records] == [
        (1, {"rules": ["greet"]}, {"text": "hello"}, GENESIS)
    ]


async def a_commit_outlives_the_store(factory: StoreFactory) -> None:
    async with opened(factory) as store:
        await store.commit(a_turn(ONE, 0, request="r"))
        before = await store.load(ONE), await store.records(ONE), await store.head()
    async with opened(factory) as store:
        assert (await store.load(ONE), await store.records(ONE), await store.head()) == before


async def records_form_a_chain_in_order(factory: StoreFactory) -> None:
    async with opened(factory) as store:
        several = a_turn(ONE, 0).records * 3
        await store.commit(replace(a_turn(ONE, 0), records=several))
        await store.commit(a_turn(ONE, 1, request="r"))
        records = await store.records(ONE)
        assert [record.sequence for record in records] == [1, 2, 3, 4]
        assert [record.previous for record in records[1:]] == [record.hash for record in records[:-1]]
        assert await store.records(ONE, RequestId("r")) == records[3:]
        assert await store.records(ONE, after=1, limit=2) == records[1:3]


async def a_stale_version_is_a_conflict_and_writes_nothing(factory: StoreFactory) -> None:
    async with opened(factory) as store:
        await store.commit(a_turn(ONE, 0))
        before = await store.load(ONE), await store.head()
        for stale in (0, 2):
            conflict = await refusal(Conflict, store.commit(a_turn(ONE, stale, request="r")))
            assert (conflict.expected, conflict.found) == (stale, 1)
        assert (await store.load(ONE), await store.head()) == before
        assert len(await store.records(ONE)) == 1
        assert await store.request(ONE, RequestId("r"), digest_of("hello")) == Unseen()
        await refusal(Conflict, store.commit(a_turn(TWO, 1)))
        assert await store.load(TWO) is None


async def of_commits_at_once_to_one_version_one_succeeds(factory: StoreFactory) -> None:
    async with opened(factory) as store:
        rivals = [store.commit(a_turn(ONE, 0)) for _ in range(20)]
        others = [store.commit(a_turn(str(UUID(int=number)), 0)) for number in range(100, 120)]
        outcomes = await asyncio.gather(*rivals, *others, return_exceptions=True)
        assert [isinstance(outcome, Conflict) for outcome in outcomes[:20]].count(False) == 1
        assert not any(isinstance(outcome, BaseException) for outcome in outcomes[20:])
        assert (await store.head()).position == 21


async def a_request_is_answered_once(factory: StoreFactory) -> None:
    request, body = RequestId("r"), digest_of("body")
    async with opened(factory) as store:
        opens = replace(a_turn(ONE, 0), requests=(NewRequest(request, body),))
        await store.commit(opens)
        assert await store.request(ONE, request, body) == InFlight()
        assert await store.request(ONE, request, digest_of("other")) == Mismatch(body)
        assert await store.request(TWO, request, body) == Unseen()
        again = await refusal(AlreadyRequested, store.commit(replace(opens, expected_version=1)))
        assert again.found == InFlight()
        answers = replace(a_turn(ONE, 1), answers=(Answer(request, b"yes"),))
        await store.commit(answers)
        assert await store.request(ONE, request, body) == Answered(b"yes")
        await refusal(NotInFlight, store.commit(replace(answers, expected_version=2)))
        late = await refusal(AlreadyRequested, store.commit(opens))
        assert late.found == Answered(b"yes")


async def a_live_lease_keeps_others_out(factory: StoreFactory) -> None:
    lease = Lease(HERE, 2000)
    async with opened(factory) as store:
        await store.commit(replace(a_turn(ONE, 0), open=True, lease=lease))
        other = replace(a_turn(ONE, 1), owner=ELSEWHERE)
        held = await refusal(LeaseHeld, store.commit(replace(other, now=1999)))
        assert (held.owner, held.expires) == (HERE, 2000)
        await store.commit(replace(a_turn(ONE, 1), open=True, lease=lease))
        await store.commit(replace(other, expected_version=2, now=2000))


async def an_abandoned_turn_is_found_and_taken_over(factory: StoreFactory) -> None:
    async with opened(factory) as store:
        await store.commit(replace(a_turn(ONE, 0), open=True, lease=Lease(HERE, 2000)))
        await store.commit(a_turn(TWO, 0))
        assert await store.open_conversations(1999) == ()
        await refusal(LeaseHeld, take_over(store, ONE, Lease(ELSEWHERE, 4000), 1999))
        (left,) = await store.open_conversations(2000)
        taken = await take_over(store, left.id, Lease(ELSEWHERE, 4000), 2000)
        assert taken == await store.load(ONE)
        assert await store.open_conversations(2000) == ()
        await refusal(LeaseHeld, store.commit(a_turn(ONE, 1)))


async def an_act_leaves_the_outbox_once(factory: StoreFactory) -> None:
    entry = NewEntry(key=KEY, kind="tool", payload={"name": "freeze_card"})
    async with opened(factory) as store:
        await store.commit(replace(a_turn(ONE, 0), outbox=(entry,)))
        await refusal(OutboxRefused, store.commit(replace(a_turn(TWO, 0), outbox=(entry,))))
        await refusal(OutboxRefused, store.commit(replace(a_turn(TWO, 0), done=(KEY,))))
        assert await store.load(TWO) is None
        (pending,) = await store.outbox(conversation=ONE)
        assert (pending.key, pending.sequence, pending.payload) == (KEY, 1, {"name": "freeze_card"})
        await store.commit(replace(a_turn(ONE, 1), taken=(KEY,)))
        await refusal(OutboxRefused, store.commit(replace(a_turn(ONE, 2), taken=(KEY,))))
        assert (await store.outbox(), len(await store.outbox("taken"))) == ((), 1)
        await store.commit(replace(a_turn(ONE, 2), done=(KEY,)))
        await refusal(OutboxRefused, store.commit(replace(a_turn(ONE, 3), done=(KEY,))))
        assert [done.key for done in await store.outbox("done")] == [KEY]


async def what_is_due_is_found_the_earliest_first(factory: StoreFactory) -> None:
    async with opened(factory) as store:
        for number, due in enumerate((3000, 1000, None, 2000)):
            key = IdempotencyKey(f"{number}")
            entry = NewEntry(key=key, kind="timer", payload={}, due=due)
            await store.commit(replace(a_turn(str(UUID(int=number)), 0), outbox=(entry,)))
        assert [entry.due for entry in await store.due(3000)] == [1000, 2000]
        assert [entry.due for entry in await store.due(3001, limit=1)] == [1000]
        await store.commit(replace(a_turn(str(UUID(int=1)), 1), done=(IdempotencyKey("1"),)))
        assert [entry.due for entry in await store.due(3001)] == [2000, 3000]


async def erasure_leaves_the_chain_and_nothing_personal(factory: StoreFactory) -> None:
    entry = NewEntry(key=KEY, kind="tool", payload={"phone": "5550100"})
    async with opened(factory) as store:
        await store.commit(replace(a_turn(ONE, 0, request="r", says="5550100"), outbox=(entry,)))
        await store.commit(a_turn(TWO, 0, request="r"))
        before = await store.records(ONE)
        await store.commit(replace(a_turn(ONE, 1, says="erased"), erase=True, done=(KEY,)))
        erased, kept = await store.records(ONE)
        assert erased == replace(before[0], personal={}, erased=("text",))
        assert kept.personal == {"text": "erased"}
        assert await store.request(ONE, RequestId("r"), digest_of("5550100")) == Erased()
        assert [done.payload for done in await store.outbox("done")] == [None]
        assert await store.request(TWO, RequestId("r"), digest_of("hello")) == Answered(b"hello")


async def a_closed_store_has_written_and_says_so(factory: StoreFactory) -> None:
    store = factory()
    waiting = [asyncio.ensure_future(store.commit(a_turn(str(UUID(int=n)), 0))) for n in range(10)]
    await asyncio.sleep(0)
    await store.close()
    assert all(committed.version == 1 for committed in await asyncio.gather(*waiting))
    await refusal(Closed, store.commit(a_turn(ONE, 0)))
    await refusal(Closed, store.load(ONE))
    await store.close()


CHECKS: tuple[Check, ...] = (
    a_commit_is_read_back,
    a_commit_outlives_the_store,
    records_form_a_chain_in_order,
    a_stale_version_is_a_conflict_and_writes_nothing,
    of_commits_at_once_to_one_version_one_succeeds,
    a_request_is_answered_once,
    a_live_lease_keeps_others_out,
    an_abandoned_turn_is_found_and_taken_over,
    an_act_leaves_the_outbox_once,
    what_is_due_is_found_the_earliest_first,
    erasure_leaves_the_chain_and_nothing_personal,
    a_closed_store_has_written_and_says_so,
)
