"""Calls of a turn: carried out, refused, late, lost; settled later, and after a crash."""

import asyncio
import json
import uuid
from pathlib import Path

import pytest
from bank import BANK, Desk, desk, refused, returned, unsure
from test_turn import done, why

from charter.engine.conversation.asks import Reason
from charter.engine.conversation.calls import Called
from charter.engine.conversation.record import whole
from charter.engine.conversation.refused import Refused, Why
from charter.v1 import conversations_pb2 as pb

TOLD = ["disclose notice", "say hello"]


def answer(response: pb.TurnResponse | Refused) -> pb.TurnResponse:
    assert isinstance(response, pb.TurnResponse), response
    return response


async def started(at: Desk) -> None:
    """The caller's card is known."""
    at.tools.answer(1, returned(card="k-1"))
    assert done(await at.start("+49")) == TOLD


async def test_a_result_comes_into_the_turn_and_the_answer_has_all_acts(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await started(at)
        at.tools.answer(2, returned(ref="r-1"))
        assert done(await at.says("lost")) == ["say blocked"]
        call = at.tools.called[1]
        assert (call.tool.name, dict(call.args), call.language) == ("block", {"card": "k-1"}, "en")
        assert await at.events() == ["start", "find", "utterance", "classify", "block"]
        assert await at.outbox("done") == ["find", "block"]
        keys = {entry.key for entry in await at.store.outbox("done")}
        assert keys == {one.key for one in at.tools.called}


@pytest.mark.parametrize(
    ("intent", "came", "event", "reason"),
    [
        ("lost", refused(), "block fails", "error"),
        ("lost", refused(Reason.INVALID), "block fails", "invalid"),
        ("lost", unsure(), "block uncertain", None),
        ("spend", unsure(), "pay uncertain", None),
    ],
)
async def test_what_did_not_happen_fails_and_what_may_have_is_uncertain(
    tmp_path: Path, intent: str, came: Called, event: str, reason: str | None
) -> None:
    async with desk(tmp_path) as at:
        await started(at)
        at.tools.answer(2, came)
        await at.says(intent)
        record = whole((await at.store.records(at.caller.id))[-1])
        assert record["event"]["kind"] == event
        assert record["event"]["fields"].get("reason") == reason


async def test_a_late_read_has_failed_and_a_late_write_is_uncertain(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert done(await at.start("+49")) == TOLD
        assert whole((await at.store.records(at.caller.id))[-1])["event"] == {
            "kind": "find fails",
            "fields": {"phone": "+49", "reason": "late"},
        }
        assert done(await at.says("spend")) == ["say unpaid"]
        assert (await at.events())[-1] == "pay uncertain"
        assert await at.outbox("taken") == ["pay"]


async def test_the_late_answer_of_a_write_settles_it_in_a_turn_of_its_own(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        await at.says("spend")
        at.tools.answer(1, returned(done=True))
        await at.until("pay")
        assert await at.outbox("done") == ["pay"]
        assert [[act.name for _, act in told.acts] for told in at.told][-1] == ["paid"]
        # No request asked for it, so its acts go with the next answer.
        assert done(await at.caller.send("keys", digits="1")) == ["say paid", "say again"]


async def test_a_settlement_is_reported_once_and_only_for_an_uncertain_call(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        assert why(await at.caller.send("pay", amount=0, done=True)) is Why.UNEXPECTED
        at.tools.answer(1, unsure())
        await at.says("spend")
        assert why(await at.caller.send("pay", amount=1, done=True)) is Why.UNEXPECTED
        assert done(await at.caller.send("pay fails", amount=0, reason="error")) == ["say unpaid"]
        assert why(await at.caller.send("pay", amount=0, done=True)) is Why.UNEXPECTED
        assert await at.outbox("taken") == []


async def test_after_the_end_an_open_call_is_still_settled_and_only_facts_are_written(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        turn = asyncio.create_task(at.says("spend"))
        await at.tools.until_called(1)
        assert answer(await at.caller.send("hangup")).over
        assert answer(await turn).over
        at.tools.answer(1, returned(done=True))
        await at.until("pay")
        assert await at.outbox("taken") == []
        stored = await at.store.load(at.caller.id)
        assert stored is not None
        assert (stored.over, stored.open, stored.state["untold"]) == (True, False, [])
        assert '"paid_at_last": true' in json.dumps(stored.state)


async def test_a_result_that_breaks_an_assumption_is_invalid(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.tools.answer(1, returned(card="+49"))
        await at.start("+49")
        assert whole((await at.store.records(at.caller.id))[-1])["event"] == {
            "kind": "find fails",
            "fields": {"phone": "+49", "reason": "invalid"},
        }


async def test_a_request_whose_time_is_up_is_answered_while_its_call_is_open(tmp_path: Path) -> None:
    patient = BANK.replace("within 300 ms  up to 2 times", "within 5 s  up to 2 times")
    async with desk(tmp_path, patient) as at:
        await at.start()
        name = str(uuid.uuid4())
        first = answer(await at.says("spend", within=0.1, request=name))
        assert (done(first), first.open) == ([], True)
        assert answer(await at.caller.send("utterance", text="spend", request=name)) == first
        waiting = asyncio.create_task(at.caller.send("keys", digits="1"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        at.tools.answer(1, returned(done=True))
        assert done(await waiting) == ["say paid", "say again"]
        assert (await at.events())[-2:] == ["pay", "keys"]


async def test_during_a_transfer_an_answer_waits_and_comes_when_it_has_failed(tmp_path: Path) -> None:
    both = BANK.replace(
        "do call pay(amount: limit)", 'do call pay(amount: limit)  escalate general because "to be sure"'
    )
    async with desk(tmp_path, both) as at:
        await at.start()
        at.tools.answer(1, returned(done=True))
        assert done(await at.says("spend")) == ["escalate general"]
        await asyncio.sleep(0.02)
        assert (await at.events())[-1] == "classify"
        failed = await at.caller.send("escalate general fails", reason="error")
        assert done(failed) == ["say again", "say paid"]
        assert (await at.events())[-2:] == ["escalate general fails", "pay"]


async def test_a_call_beyond_its_bound_fails_at_once_as_exhausted(tmp_path: Path) -> None:
    greedy = BANK.replace(
        "rule pay_fails  on pay fails                      do say unpaid",
        """rule pay_more on pay fails (when its reason != exhausted)  do call pay(amount: limit)
rule pay_fails  on pay fails (when its reason == exhausted)  do say unpaid""",
    )
    async with desk(tmp_path, greedy) as at:
        await at.start()
        at.tools.answer(1, refused())
        at.tools.answer(2, refused())
        assert done(await at.says("spend")) == ["say unpaid"]
        assert (await at.events())[-3:] == ["pay fails"] * 3
        assert len(at.tools.called) == 2


# --- after a crash ---------------------------------------------------------------------------------------------------


async def test_after_a_crash_an_idempotent_call_is_made_again_under_the_same_key(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await started(at)
        name = str(uuid.uuid4())
        lost = asyncio.create_task(at.says("lost", request=name))
        before = await at.tools.until_called(2)
        again = at.again()
        again.tools.answer(1, returned(ref="r-1"))
        assert await again.conversations.go_on() == 1
        assert done(await again.caller.send("utterance", text="lost", request=name)) == ["say blocked"]
        assert (again.tools.called[0].key, again.tools.called[0].args) == (before.key, before.args)
        lost.cancel()


async def test_after_a_crash_another_write_is_uncertain_and_not_made_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        name = str(uuid.uuid4())
        lost = asyncio.create_task(at.says("spend", request=name))
        await at.tools.until_called(1)
        again = at.again()
        assert done(await again.caller.send("utterance", text="spend", request=name)) == ["say unpaid"]
        assert again.tools.called == []
        assert (await at.events())[-1] == "pay uncertain"
        lost.cancel()


async def test_after_a_crash_a_read_has_failed(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        lost = asyncio.create_task(at.start("+49"))
        await at.tools.until_called(1)
        again = at.again()
        assert await again.conversations.go_on() == 1
        await again.until("find fails")
        assert await at.events() == ["start", "find fails"]
        lost.cancel()


async def test_after_a_crash_the_acts_that_no_answer_had_go_with_the_next(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.start()
        await at.says("spend")
        at.tools.answer(1, returned(done=True))
        await at.until("pay")
        again = at.again()
        assert done(await again.caller.send("keys", digits="1")) == ["say paid", "say again"]
