"""What a conversation waits for beside calls: timers, transfers, collected values, what joins an open turn."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from bank import BANK, desk, refused, returned, unsure
from test_turn import done, why

from charter.dsl.types import Value
from charter.engine.conversation.asks import Ask, Failed, Reason, Suggested
from charter.engine.conversation.calls import Call, Called
from charter.engine.conversation.record import whole
from charter.engine.conversation.refused import Refused, Why
from charter.v1 import conversations_pb2 as pb


async def test_a_timer_rings_in_a_turn_of_its_own_and_its_acts_go_with_the_next_answer(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        assert done(await at.caller.send("silence")) == ["say again"]
        assert await at.outbox("pending") == ["still"]
        await at.until("timer still")
        assert await at.outbox("pending") == []
        last = (await at.store.records(at.caller.id))[-1]
        assert last.request_id is None
        assert [act.name for _, act in at.told[-1].acts] == ["still"]
        assert done(await at.caller.send("interrupt")) == ["say still"]
        assert done(await at.caller.send("interrupt")) == []


async def test_a_timer_that_is_started_again_rings_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        await at.caller.send("silence")
        await asyncio.sleep(0.03)
        await at.caller.send("silence")
        await asyncio.sleep(0.045)
        assert "timer still" not in await at.events()
        await at.until("timer still")
        await asyncio.sleep(0.1)
        assert (await at.events()).count("timer still") == 1
        assert await at.outbox("done") == ["still", "still"]


async def test_a_timer_waits_until_the_open_turn_closes(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        await at.caller.send("silence")
        turn = asyncio.create_task(at.caller.send("utterance", text="hm"))
        await at.agents.until_asked(1)
        await asyncio.sleep(0.1)
        at.agents.answer(1, Suggested({"intent": "other", "sure": True}, ()))
        assert done(await turn) == ["say again"]
        await at.until("timer still")
        assert (await at.events())[-3:] == ["utterance", "classify", "timer still"]


async def test_at_the_end_nothing_rings_any_more(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        await at.caller.send("silence")
        await at.caller.send("hangup")
        await asyncio.sleep(0.1)
        assert await at.events() == ["start", "silence", "hangup"]
        assert await at.outbox("done") == ["still"]


async def test_a_timer_rings_in_another_server_after_a_crash(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        await at.caller.send("silence")
        at.conversations.close()
        again = at.again(owner="another")
        assert await again.conversations.go_on() == 0
        await again.until("timer still")
        assert done(await again.caller.send("keys", digits="1")) == ["say still", "say again"]
        again.conversations.close()


async def test_a_transfer_that_nobody_answers_fails_as_late_also_after_a_crash(tmp_path: Path) -> None:
    for crash in (False, True):
        async with desk(tmp_path / str(crash)) as at:
            await at.start()
            assert done(await at.says("lost")) == ["escalate desk"]
            assert await at.outbox("pending") == ["desk"]
            if crash:
                at.conversations.close()
                at = at.again()
                await at.conversations.go_on()
            await at.until("escalate desk fails")
            assert whole((await at.store.records(at.caller.id))[-1])["event"]["fields"] == {"reason": "late"}
            assert await at.outbox("pending") == []
            assert done(await at.caller.send("keys", digits="1")) == ["say again", "say again"]
            at.conversations.close()


async def test_a_transfer_that_was_answered_does_not_fail_later(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        await at.says("lost")
        assert not done(await at.caller.send("escalated desk"))
        await asyncio.sleep(0.2)
        assert (await at.events())[-1] == "escalated desk"
        assert await at.outbox("done") == ["desk"]


async def test_what_is_collected_opens_a_turn(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        assert why(await at.caller.send("collected limit", value=5)) is Why.UNEXPECTED
        asked = await at.says("more")
        assert isinstance(asked, pb.TurnResponse)
        assert not asked.open
        assert asked.acts[1].collect == pb.Collect(name="limit", type="int 0..5000")
        assert done(await at.caller.send("collected limit", value=5)) == ["say limit_is"]
        assert why(await at.caller.send("collect limit fails", reason="late")) is Why.UNEXPECTED


async def test_what_joins_is_a_step_of_the_open_turn(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        turn = asyncio.create_task(at.caller.send("utterance", text="hm"))
        await at.agents.until_asked(1)
        assert done(await at.caller.send("interrupt")) == []
        assert done(await at.caller.send("heard notice")) == []
        assert why(await at.caller.send("cut notice")) is Why.UNEXPECTED
        at.agents.answer(1, Suggested({"intent": "other", "sure": True}, ()))
        assert done(await turn) == ["say again"]
        assert await at.events() == ["start", "utterance", "interrupt", "heard notice", "classify"]


async def test_what_happens_outside_waits_for_the_open_turn(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        turn = asyncio.create_task(at.caller.send("utterance", text="hm"))
        await at.agents.until_asked(1)
        outside = asyncio.create_task(at.caller.send("paused", by="recorder"))
        await asyncio.sleep(0.02)
        at.agents.answer(1, Suggested({"intent": "other", "sure": True}, ()))
        assert [done(await one) for one in (turn, outside)] == [["say again"], ["say again"]]
        assert await at.events() == ["start", "utterance", "classify", "paused"]


async def test_a_timer_that_waits_for_the_end_of_a_transfer_rings_once(tmp_path: Path) -> None:
    text = BANK.replace("for 60 ms", "for 300 ms").replace("within 150 ms", "within 20 s")
    async with desk(tmp_path, text) as at:
        await at.start()
        await at.caller.send("keys", digits="1")
        assert done(await at.says("lost")) == ["escalate desk"]
        await asyncio.sleep(1)
        names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
        assert names.count("Conversations._ring") == 1
        assert done(await at.caller.send("escalate desk fails", reason="error")) == ["say again"]
        await at.until("timer still")


async def test_two_servers_take_turns_and_see_what_the_other_did(tmp_path: Path) -> None:
    async with desk(tmp_path, BANK.replace("for 60 ms", "for 60 s")) as one:
        other = one.again(owner="another")
        await one.start()
        for at in (other, one, other, one):
            assert done(await at.caller.send("keys", digits="1")) == ["say again"]
        turn = asyncio.create_task(one.caller.send("utterance", text="hm"))
        await one.agents.until_asked(1)
        waiting = asyncio.create_task(other.caller.send("paused", by="recorder"))
        await asyncio.sleep(0.05)
        one.agents.answer(1, Suggested({"intent": "lost", "sure": True}, ()))
        assert done(await turn) == ["escalate desk"]
        assert done(await other.caller.send("escalate desk fails", reason="error")) == ["say again"]
        assert done(await waiting) == ["say again"]
        assert done(await one.caller.send("hangup")) == []
        assert why(await other.caller.send("keys", digits="1")) is Why.OVER
        other.conversations.close()


async def test_one_request_in_two_servers_at_once_is_decided_once(tmp_path: Path) -> None:
    async with desk(tmp_path, BANK.replace("for 60 ms", "for 60 s")) as one:
        other = one.again(owner="another")
        for number in range(10):
            name = str(uuid.uuid4())
            kind, fields = ("keys", {"digits": "1"}) if number else ("start", _START)
            answers = await asyncio.gather(
                *(at.caller.send(kind, request=name, **fields) for at in (one, other)), return_exceptions=True
            )
            assert answers[0] == answers[1]
        assert await one.events() == ["start", *["keys"] * 9]
        other.conversations.close()


_START: dict[str, Value] = {"channel": "voice", "language": "en", "caller": None, "segment": None}


# --- laws ------------------------------------------------------------------------------------------------------------


@dataclass
class Whims:
    """Agents and tools that answer anything the schema allows, soon, late or never."""

    random: Random

    async def ask(self, ask: Ask) -> Suggested | Failed:  # noqa: ARG002  # the port's signature
        await asyncio.sleep(self.random.choice([0, 0, 0.003, 0.02]))
        if self.random.random() < 0.2:
            return Failed(self.random.choice([Reason.LATE, Reason.ERROR, Reason.INVALID]))
        intent = self.random.choice(["lost", "more", "spend", "spend", "other", "other", "human", "bye"])
        return Suggested({"intent": intent, "sure": True}, ())

    async def call(self, call: Call) -> Called:
        await asyncio.sleep(self.random.choice([0, 0.003, 0.02, 0.02, 0.35]))
        results: Mapping[str, list[Called]] = {
            "find": [returned(card="k-1"), returned(card="+49"), refused()],
            "block": [returned(ref="r"), refused(), unsure()],
            "pay": [returned(done=True), returned(done=False), refused(), unsure()],
        }
        return self.random.choice(results[call.tool.name])


EVENTS: tuple[tuple[str, Mapping[str, Value]], ...] = (
    ("utterance", {"text": "hm"}),
    ("utterance", {"text": "what"}),
    ("utterance", {"text": "so"}),
    ("keys", {"digits": "1"}),
    ("silence", {}),
    ("silence", {}),
    ("interrupt", {}),
    ("paused", {"by": "recorder"}),
    ("heard notice", {}),
    ("cut notice", {}),
    ("collected limit", {"value": 7}),
    ("collect limit fails", {"reason": "error"}),
    ("escalate desk fails", {"reason": "error"}),
    ("escalate general fails", {"reason": "error"}),
    ("pay", {"amount": 0, "done": True}),
    ("pay fails", {"amount": 7, "reason": "error"}),
)
ENDS: tuple[tuple[str, Mapping[str, Value]], ...] = (("hangup", {}), ("escalated desk", {}), ("escalated general", {}))


@pytest.mark.parametrize("seed", range(10))
async def test_a_random_conversation_is_on_record_as_a_session_has_it(tmp_path: Path, seed: int) -> None:
    """`desk` compares the record with `charter.dsl.session` when it ends."""
    random = Random(seed)
    async with desk(tmp_path, whims=Whims(random)) as at:
        await at.start(random.choice([None, "+49"]))
        sending = []
        for number in range(40):
            kind, fields = random.choice(EVENTS if number < 30 or random.random() < 0.5 else ENDS)
            within = random.choice([0.05, 0.4, 4.0])
            sending.append(asyncio.create_task(at.caller.send(kind, within=within, **fields)))
            await asyncio.sleep(random.choice([0, 0, 0.002, 0.02, 0.1]))
        answers = await asyncio.gather(*sending)
        await at.conversations.drain()
        assert {type(one) for one in answers} == {pb.TurnResponse, Refused}
        shown = Counter(place for told in at.told for place, _ in told.acts)
        given = Counter(act.sequence for one in answers if isinstance(one, pb.TurnResponse) for act in one.acts)
        assert given <= shown  # no act is given twice
