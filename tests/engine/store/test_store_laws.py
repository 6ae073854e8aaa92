"""Laws of the store: it agrees with a model of it, and the chain says what was written."""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from charter.engine.audit import verify
from charter.engine.store import (
    AlreadyRequested,
    Commit,
    Committed,
    Conflict,
    ConversationId,
    Digest,
    Json,
    Key,
    NewRecord,
    RequestId,
    StoreError,
    Unseen,
    open_store,
)
from charter.engine.store.chain import canonical, personal_digest, record_hash, seal
from charter.engine.store.conformance import ONE, TWO, a_turn, digest_of

KEY = Key(bytes(32))
TEXT = st.text(st.characters())
PATH = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON: st.SearchStrategy[Json] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
RECORDS = st.builds(
    NewRecord,
    at=st.integers(0, 2**53),
    public=JSON,
    request_id=st.none(),
    personal=st.dictionaries(PATH, JSON, max_size=2),
)


@dataclass(slots=True)
class Modelled:
    """What the model knows of a conversation."""

    version: int = 0
    state: Json = None
    records: list[NewRecord] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)
    erased: int = 0


class StoreMachine(RuleBasedStateMachine):
    """Groups of commits, some stale or repeated, and restarts; a dictionary says what is there afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.folder.name, 'charter.db')}"
        self.runner = asyncio.Runner()
        self.store = open_store(self.url, KEY)
        self.model = {ONE: Modelled(), TWO: Modelled()}

    @rule(
        group=st.lists(
            st.tuples(
                st.sampled_from([ONE, TWO]),
                st.sampled_from([0, 0, 0, 1, -1]),
                st.none() | st.sampled_from(["a", "b", "c"]),
                st.lists(RECORDS, max_size=2),
                JSON,
                st.booleans(),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def commit_together(self, group: list[tuple[ConversationId, int, str | None, list[NewRecord], Json, bool]]) -> None:
        commits, expected = [], []
        for conversation, off, request, records, state, erase in group:
            known = self.model[conversation]
            stale = max(known.version + off, 0)
            commit = a_turn(conversation, stale, request=request, state=state)
            commits.append(replace(commit, records=tuple(records), erase=erase))
            expected.append(self._expect(known, commits[-1], stale, request, state))
        outcomes = self.runner.run(self._commit(commits))
        assert [type(outcome) for outcome in outcomes] == expected

    def _expect(
        self, known: Modelled, commit: Commit, stale: int, request: str | None, state: Json
    ) -> type[Committed | StoreError]:
        if request in known.requests:
            return AlreadyRequested
        if stale != known.version:
            return Conflict
        if commit.erase:
            known.erased = len(known.records)
        known.version += 1
        known.state = state
        known.records += commit.records
        known.requests |= {request} if request else set()
        return Committed

    async def _commit(self, commits: list[Commit]) -> list[Committed | BaseException]:
        return await asyncio.gather(*map(self.store.commit, commits), return_exceptions=True)

    @rule()
    def restart(self) -> None:
        self.runner.run(self.store.close())
        self.store = open_store(self.url, KEY)

    @invariant()
    def the_store_agrees_with_the_model(self) -> None:
        for conversation, known in self.model.items():
            found = self.runner.run(self.store.load(conversation))
            records = self.runner.run(self.store.records(conversation))
            assert (found.version if found else 0) == known.version
            assert found is None or found.state == {"said": known.state}
            assert [(r.sequence, r.at, r.public) for r in records] == [
                (n, r.at, r.public) for n, r in enumerate(known.records, 1)
            ]
            assert [r.personal for r in records[known.erased :]] == [r.personal for r in known.records[known.erased :]]
            assert not any(r.personal for r in records[: known.erased])
            for request in ("a", "b", "c"):
                seen = self.runner.run(self.store.request(conversation, RequestId(request), digest_of("hello")))
                assert isinstance(seen, Unseen) == (request not in known.requests)

    @invariant()
    def the_chain_verifies(self) -> None:
        report = verify(self.url, KEY)
        assert report.breaks == ()
        assert report.records == sum(len(known.records) for known in self.model.values())

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()


StoreMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
TestTheStoreAgreesWithAModel = StoreMachine.TestCase


@given(JSON)
def test_canonical_text_reads_back_as_the_same_value_and_text(value: Json) -> None:
    text = canonical(value)
    assert text == json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text
    assert text.isascii()


HASHED = st.tuples(TEXT, TEXT, st.integers(), st.none() | TEXT, st.integers(), TEXT, TEXT)


@given(HASHED, HASHED)
def test_different_records_have_different_hashes(
    one: tuple[str, str, int, str | None, int, str, str], other: tuple[str, str, int, str | None, int, str, str]
) -> None:
    one, other = (digest_of("before"), *one[1:]), (digest_of("before"), *other[1:])
    assert (record_hash(*one) == record_hash(*other)) == (one == other)


@given(JSON, st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_a_personal_digest_depends_on_its_salt(value: Json, salt: bytes, other: bytes) -> None:
    digests = {Digest(personal_digest(canonical(value), one)) for one in (salt, other)}
    assert len(digests) == len({salt, other})


def test_a_path_that_is_no_text_is_refused_where_it_is_given() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        seal(
            replace(a_turn(ONE, 0), records=(NewRecord(at=0, public=None, personal={"\ud800": None}),)),
            lambda: bytes(16),
        )
