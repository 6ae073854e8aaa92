"""A store that is locked, full, moved or tampered with while a server runs: the right error, and nothing half done."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import grpc
import pytest
from serving import (
    KEY,
    Caller,
    HeldAgents,
    Server,
    checked,
    ports,
    says,
    scripted_agent,
    server,
    start,
    suggested,
    turn,
)
from test_server import HANG, HOURS, error, new

from charter.engine.audit import What, verify
from charter.engine.conversation.conversations import Conversations
from charter.engine.conversation.refused import Refused, Why
from charter.engine.decide import Decider
from charter.engine.replay import Same, replay_store
from charter.engine.rule_kernel import RuleKernel
from charter.engine.store import ConversationId, SqliteOptions, Tampered, open_store
from charter.engine.store.sql_store import open_reader
from charter.v1 import conversations_pb2 as pb


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    """A server over the store in this folder, which may be there already."""
    program = checked(folder / "policy")
    async with (
        scripted_agent(folder, HOURS) as address,
        server(program, folder / "charter.db", {"classify": address}) as running,
    ):
        yield running


@contextmanager
def by_hand(folder: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else's connection to the store; what is changed stays changed."""
    with closing(sqlite3.connect(folder / "charter.db", isolation_level=None)) as connection:
        yield connection


def broken(folder: Path) -> list[What]:
    """What a verification finds."""
    return [one.what for one in verify(f"sqlite:///{folder / 'charter.db'}", KEY).breaks]


async def begun(at: Server) -> str:
    """A conversation that has started."""
    name = new()
    await at.stub.Turn(start(name))
    return name


async def hours(at: Server, name: str, request: str | None = None) -> list[str]:
    """What is said to a question about opening hours."""
    answer = await at.stub.Turn(says(name, "When are you open?", request))
    return [act.say.name for act in answer.acts]


async def test_a_locked_store_is_unavailable_and_the_repetition_is_taken(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        name, request = await begun(at), new()
        with by_hand(tmp_path) as other:
            other.execute("BEGIN IMMEDIATE")
            locked = await error(at.stub.Turn(says(name, "When are you open?", request), timeout=5))
            assert (locked.code, locked.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
            assert locked.retry
            assert locked.message == "the store cannot be used now"  # and not where it lies
            assert (await at.stub.GetConversation(pb.GetConversationRequest(conversation_id=name))).events == 1
            other.execute("ROLLBACK")
        assert await hours(at, name, request) == ["opening_hours"]
    assert broken(tmp_path) == []


async def test_a_store_that_breaks_in_an_open_turn_is_told_in_time_and_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = checked(tmp_path / "policy")
    async with (
        scripted_agent(tmp_path, HANG) as address,
        server(program, tmp_path / "charter.db", {"classify": address}) as at,
    ):
        name, request = await begun(at), new()
        asked = asyncio.ensure_future(at.stub.Turn(says(name, "hm", request)))
        await asyncio.sleep(0.1)
        with by_hand(tmp_path) as other:
            other.execute("CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'no room'); END")
            for again in (asked, at.stub.Turn(says(name, "hm", request), timeout=1.5)):
                failed = await error(again)
                assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
            other.execute("DROP TRIGGER full")
        (act,) = (await at.stub.Turn(says(name, "hm", request))).acts
        assert act.escalate.queue == "general"
    (line,) = caplog.messages
    assert line == f"requests are refused: {tmp_path / 'charter.db'}: no room"
    assert broken(tmp_path) == []


@pytest.mark.parametrize("table", ["records", "requests", "log"])
async def test_a_schema_that_changed_is_unavailable_until_it_is_back(tmp_path: Path, table: str) -> None:
    async with serving(tmp_path) as at:
        name, request = await begun(at), new()
        with by_hand(tmp_path) as other:
            other.execute(f"ALTER TABLE {table} RENAME TO other")
            failed = await error(at.stub.Turn(says(name, "When are you open?", request)))
            assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
            other.execute(f"ALTER TABLE other RENAME TO {table}")
        assert await hours(at, name, request) == ["opening_hours"]
    assert broken(tmp_path) == []


async def test_a_store_that_was_moved_away_takes_nothing_until_it_is_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        name, request = await begun(at), new()
        (tmp_path / "charter.db").rename(tmp_path / "elsewhere.db")
        failed = await error(at.stub.Turn(says(name, "When are you open?", request)))
        assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        (tmp_path / "elsewhere.db").rename(tmp_path / "charter.db")
        assert await hours(at, name, request) == ["opening_hours"]
    assert broken(tmp_path) == []


@pytest.mark.parametrize("change", ["state = '{}'", "version = version + 1", "over = 1", "policy_digest = 'another'"])
async def test_a_row_that_was_changed_is_never_decided_on(tmp_path: Path, change: str) -> None:
    async with serving(tmp_path) as at:
        name = await begun(at)
    async with serving(tmp_path) as at:
        with by_hand(tmp_path) as other:
            other.execute(f"UPDATE conversations SET {change}")
        for call in (
            at.stub.Turn(says(name, "When are you open?")),
            at.stub.GetConversation(pb.GetConversationRequest(conversation_id=name)),
        ):
            found = await error(call)
            assert (found.code, found.reason) == (grpc.StatusCode.DATA_LOSS, "CONVERSATION_TAMPERED")
        other_one = await begun(at)  # the others go on
        assert await hours(at, other_one) == ["opening_hours"]
    assert broken(tmp_path) == [What.ROW]


async def refused_as_tampered(at: Server, request: pb.TurnRequest) -> None:
    """The request is refused because somebody changed the conversation."""
    found = await error(at.stub.Turn(request))
    assert (found.code, found.reason) == (grpc.StatusCode.DATA_LOSS, "CONVERSATION_TAMPERED")


async def test_a_conversation_that_was_removed_does_not_begin_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        name = await begun(at)
        with by_hand(tmp_path) as other:
            for table in ("personal", "requests", "records"):
                other.execute(f"DELETE FROM {table}")
            other.execute("DELETE FROM conversations")
        await refused_as_tampered(at, says(name, "When are you open?"))
    async with serving(tmp_path) as at:
        await refused_as_tampered(at, start(name))
        await refused_as_tampered(at, turn(name, silence=pb.Silence()))
    assert broken(tmp_path) == [What.REMOVED]


async def test_a_cut_tail_shows_however_long_the_conversation_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        name = await begun(at)
        assert await hours(at, name) == ["opening_hours"]
        with by_hand(tmp_path) as other:
            other.execute("DELETE FROM personal WHERE sequence = 3")
            other.execute("DELETE FROM records WHERE sequence = 3")
        assert await hours(at, name) == ["opening_hours"]
    (found,) = verify(f"sqlite:///{tmp_path / 'charter.db'}", KEY).breaks
    assert (found.conversation, found.sequence) == (name, 3)


async def test_a_record_that_was_changed_is_not_given_as_an_explanation(tmp_path: Path) -> None:
    program = checked(tmp_path / "policy")
    async with serving(tmp_path) as at:
        name, other_one = await begun(at), await begun(at)
        with by_hand(tmp_path) as other:
            other.execute("UPDATE records SET body = replace(body, 'greet', 'great') WHERE conversation = ?", [name])
        found = await error(at.stub.Explain(pb.ExplainRequest(conversation_id=name)))
        assert (found.code, found.reason) == (grpc.StatusCode.DATA_LOSS, "CONVERSATION_TAMPERED")
    engine = open_reader(f"sqlite:///{tmp_path / 'charter.db'}")
    altered = {one.conversation for one in verify(engine, KEY).breaks}
    assert altered == {name}
    assert list(replay_store(program, engine, altered)) == [Same(ConversationId(other_one), 1)]
    with pytest.raises(Tampered, match="record 1 was changed"):
        list(replay_store(program, engine))
    engine.dispose()


async def test_a_personal_value_that_was_changed_is_not_given_as_an_explanation(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        name = await begun(at)
        await hours(at, name)
        with by_hand(tmp_path) as other:
            other.execute("UPDATE personal SET value = ? WHERE path = 'event/fields/text'", ['"I was never there"'])
        found = await error(at.stub.Explain(pb.ExplainRequest(conversation_id=name)))
        assert (found.code, found.reason) == (grpc.StatusCode.DATA_LOSS, "CONVERSATION_TAMPERED")


async def test_a_log_without_its_head_takes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as at:
        name = await begun(at)
        with by_hand(tmp_path) as other:
            other.execute("DELETE FROM head")
        failed = await error(at.stub.Turn(says(name, "When are you open?")))
        assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert (await at.stub.GetConversation(pb.GetConversationRequest(conversation_id=name))).events == 1


async def test_where_the_disk_is_full_turns_are_refused_and_go_on_with_more_room(tmp_path: Path) -> None:
    program = checked(tmp_path / "policy")
    decides = Decider(program, RuleKernel(program), lambda: RuleKernel(program))
    url = f"sqlite:///{tmp_path / 'charter.db'}"
    agents = HeldAgents()
    store = await asyncio.to_thread(open_store, url, KEY, options=SqliteOptions(max_pages=40))
    caller = Caller(Conversations(ports(program, decides, agents, store)))
    await caller.start()
    answered, number = 0, 0
    while True:
        number += 1
        agents.answer(len(agents.asked) + 1, suggested("opening_hours", 9000))
        answer = await caller.send("utterance", text="x" * 4000, request=f"{number}")
        if isinstance(answer, Refused):
            break
        answered += 1
    assert answer.why is Why.STORE
    assert answered > 0
    await store.close()
    store = await asyncio.to_thread(open_store, url, KEY)
    conversations = Conversations(ports(program, decides, HeldAgents(), store))
    await conversations.go_on()
    again = await Caller(conversations, caller.id).send("utterance", text="x" * 4000, request=f"{number}", within=1.0)
    assert isinstance(again, pb.TurnResponse)
    await store.close()
    assert broken(tmp_path) == []
