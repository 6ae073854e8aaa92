"""A turn over a real store and decider, with agents that answer when the test says so."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from serving import CARD_SUPPORT, KEY, TOGETHER, TWICE, Caller, HeldAgents, HeldTools, checked, ports, stored, suggested

from charter.dsl.load import Loaded, load
from charter.dsl.program import Event, Program, State
from charter.engine.audit import verify
from charter.engine.conversation.asks import Failed, Reason, Suggested
from charter.engine.conversation.calls import Returned
from charter.engine.conversation.conversations import Conversations
from charter.engine.conversation.record import whole
from charter.engine.conversation.refused import Refused, Why
from charter.engine.decide import Decider, Decision
from charter.engine.evaluator import Executed
from charter.engine.replay import Same, Unclear, replay
from charter.engine.rule_kernel import RuleKernel
from charter.engine.store import Commit, Committed, DiskFull, Store
from charter.v1 import conversations_pb2 as pb


@dataclass
class Scene:
    """A conversation that can be held, and what is behind it."""

    caller: Caller
    agents: HeldAgents
    store: Store
    program: Program

    async def records(self) -> list[dict[str, object]]:
        return [whole(record) for record in await self.store.records(self.caller.id)]

    async def events(self) -> list[str]:
        return [record["event"]["kind"] for record in await self.records()]  # type: ignore[index]

    async def replayed(self) -> object:
        conversation = await self.store.load(self.caller.id)
        assert conversation is not None
        return replay(self.program, conversation, await self.store.records(self.caller.id))


@asynccontextmanager
async def scene(folder: Path, text: str = CARD_SUPPORT) -> AsyncIterator[Scene]:
    """A conversation that has started, under this policy."""
    program = checked(folder / "policy", text)
    agents = HeldAgents()
    async with stored(folder / "charter.db") as store:
        caller = Caller(Conversations(ports(program, Decider(program, RuleKernel(program), _rebuilt), agents, store)))
        assert done(await caller.start()) == ["disclose recording", "say how_can_i_help"]
        yield Scene(caller, agents, store, program)
    assert verify(f"sqlite:///{folder / 'charter.db'}", KEY).intact


def _rebuilt() -> RuleKernel:
    raise AssertionError("the kernel was given up")


def done(response: pb.TurnResponse | Refused) -> list[str]:
    """The acts of an answer as a policy spells them."""
    assert isinstance(response, pb.TurnResponse), response
    names = {"disclose": "name", "say": "name", "escalate": "queue"}
    kinds = [(act, act.WhichOneof("kind") or "") for act in response.acts]
    return [f"{kind} {getattr(getattr(act, kind), names.get(kind, ''), '')}".strip() for act, kind in kinds]


def why(response: pb.TurnResponse | Refused) -> Why:
    """The reason of a refusal."""
    assert isinstance(response, Refused), response
    return response.why


async def test_an_utterance_is_asked_about_and_the_suggestion_decided_on(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.agents.answer(1, suggested("opening_hours", 9000))
        response = await at.caller.send("utterance", text="When are you open?")
        assert done(response) == ["say opening_hours"]
        assert isinstance(response, pb.TurnResponse)
        assert (response.open, response.over) == (False, False)
        assert response.acts[0].say.text == "We are open from 9 to 5."
        (ask,) = at.agents.asked
        assert (ask.utterance, ask.language, ask.chain[0].name) == ("When are you open?", "en", "classify")
        assert at.caller.id not in ask.id
        assert await at.events() == ["start", "utterance", "classify"]
        assert await at.replayed() == Same(at.caller.id, 3)


async def test_texts_are_in_the_language_of_the_conversation(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        other = Caller(at.caller.conversations)
        response = await other.start("de")
        assert isinstance(response, pb.TurnResponse)
        assert [act.disclose.text or act.say.text for act in response.acts] == [
            "Dieses Gespräch wird aufgezeichnet.",
            "Wie kann ich helfen?",
        ]


async def test_what_is_asked_together_is_asked_at_once_and_decided_in_order_of_arrival(tmp_path: Path) -> None:
    async with scene(tmp_path, TOGETHER) as at:
        turn = asyncio.create_task(at.caller.send("utterance", text="hm"))
        await at.agents.until_asked(2)
        names = [ask.chain[0].name for ask in at.agents.asked]
        at.agents.answer(1 + names.index("mood"), Failed(Reason.LATE))
        while len(await at.events()) < 3:
            await asyncio.sleep(0)
        at.agents.answer(1 + names.index("classify"), suggested("other", 9000))
        assert done(await turn) == ["say say_again"]
        assert await at.events() == ["start", "utterance", "mood fails", "classify"]


async def test_answers_that_come_together_are_two_steps_of_one_commit(tmp_path: Path) -> None:
    async with scene(tmp_path, TOGETHER) as at:
        at.agents.answer(1, suggested("opening_hours", 9000))
        at.agents.answer(2, Suggested({"cross": True}, ()))
        assert done(await at.caller.send("utterance", text="hm")) == ["say opening_hours", "say how_can_i_help"]
        assert await at.events() == ["start", "utterance", "classify", "mood"]
        conversation = await at.store.load(at.caller.id)
        assert conversation is not None
        assert (conversation.version, conversation.last_sequence) == (3, 4)
        assert await at.replayed() == Same(at.caller.id, 4)


async def test_the_first_of_two_answers_that_come_together_may_drop_the_second(tmp_path: Path) -> None:
    async with scene(tmp_path, TOGETHER) as at:
        at.agents.answer(1, suggested("lost_card", 9000))
        at.agents.answer(2, Suggested({"cross": True}, ()))
        assert done(await at.caller.send("utterance", text="hm")) == ["escalate card_desk"]
        assert await at.events() == ["start", "utterance", "classify"]


@pytest.mark.parametrize("reason", [Reason.LATE, Reason.ERROR, Reason.INVALID])
async def test_a_failure_is_decided_by_the_policy(tmp_path: Path, reason: Reason) -> None:
    async with scene(tmp_path) as at:
        at.agents.answer(1, Failed(reason))
        response = await at.caller.send("utterance", text="hm")
        assert done(response) == ["escalate general"]
        assert isinstance(response, pb.TurnResponse)
        assert response.open
        assert list(response.acts[0].escalate.reasons) == [f"not understood: {reason}"]
        assert response.acts[0].escalate.within.ToMilliseconds() == 30_000


async def test_an_ask_beyond_its_bound_fails_at_once_as_exhausted(tmp_path: Path) -> None:
    async with scene(tmp_path, TWICE) as at:
        at.agents.answer(1, Failed(Reason.LATE))
        assert done(await at.caller.send("utterance", text="hm")) == ["escalate general"]
        assert len(at.agents.asked) == 1
        assert await at.events() == ["start", "utterance", "classify fails", "classify fails"]
        assert await at.replayed() == Same(at.caller.id, 4)


async def test_events_that_open_a_turn_wait_for_each_other_in_order(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        first = asyncio.create_task(at.caller.send("utterance", text="first"))
        await at.agents.until_asked(1)
        second = asyncio.create_task(at.caller.send("utterance", text="second"))
        third = asyncio.create_task(at.caller.send("keys", digits="1"))
        for number in (1, 2):
            at.agents.answer(number, suggested("opening_hours", 9000))
        assert [done(one) for one in await asyncio.gather(first, second, third)] == [
            ["say opening_hours"],
            ["say opening_hours"],
            ["say say_again"],
        ]
        assert await at.events() == ["start", "utterance", "classify", "utterance", "classify", "keys"]


async def test_an_event_that_waited_too_long_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        first = asyncio.create_task(at.caller.send("utterance", text="first"))
        await at.agents.until_asked(1)
        assert why(await at.caller.send("utterance", text="second", within=0.02)) is Why.BUSY
        at.agents.answer(1, suggested("opening_hours", 9000))
        assert done(await first) == ["say opening_hours"]
        assert await at.events() == ["start", "utterance", "classify"]


async def test_silence_in_an_open_turn_is_dropped_and_recorded(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        turn = asyncio.create_task(at.caller.send("utterance", text="hm"))
        await at.agents.until_asked(1)
        silence = await at.caller.send("silence")
        assert done(silence) == []
        assert isinstance(silence, pb.TurnResponse)
        assert silence.open
        at.agents.answer(1, suggested("opening_hours", 9000))
        assert done(await turn) == ["say opening_hours"]
        records = await at.records()
        assert [record["dropped"] for record in records] == [None, None, "a turn is open", None]
        assert await at.replayed() == Same(at.caller.id, 4)
        assert done(await at.caller.send("silence")) == ["say say_again"]


async def test_a_hang_up_is_a_step_of_the_open_turn_and_ends_its_asks(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        turn = asyncio.create_task(at.caller.send("utterance", text="hm"))
        await at.agents.until_asked(1)
        hangup = await at.caller.send("hangup")
        assert isinstance(hangup, pb.TurnResponse)
        assert hangup.over
        response = await turn
        assert done(response) == []
        assert isinstance(response, pb.TurnResponse)
        assert response.over
        assert await at.events() == ["start", "utterance", "hangup"]
        assert why(await at.caller.send("utterance", text="hello?")) is Why.OVER
        assert why(await at.caller.send("hangup")) is Why.OVER


async def test_while_a_transfer_is_pending_only_its_end_comes(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.agents.answer(1, suggested("lost_card", 9000))
        assert done(await at.caller.send("utterance", text="lost")) == ["escalate card_desk"]
        assert why(await at.caller.send("utterance", text="hm", within=0.02)) is Why.TRANSFERRING
        assert why(await at.caller.send("escalated general")) is Why.UNEXPECTED
        waiting = asyncio.create_task(at.caller.send("keys", digits="1"))
        failed = await at.caller.send("escalate card_desk fails", reason="error")
        assert done(failed) == ["end"]
        assert why(await waiting) is Why.OVER


async def test_a_transfer_that_succeeds_is_the_end(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.agents.answer(1, suggested("human", 100))
        assert done(await at.caller.send("utterance", text="a person")) == ["escalate general"]
        response = await at.caller.send("escalated general")
        assert isinstance(response, pb.TurnResponse)
        assert (done(response), response.open, response.over) == ([], False, True)


async def test_the_same_request_gets_the_recorded_answer(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.agents.answer(1, suggested("opening_hours", 9000))
        name = str(uuid.uuid4())
        first = await at.caller.send("utterance", request=name, text="hours?")
        assert await at.caller.send("utterance", request=name, text="hours?") == first
        assert why(await at.caller.send("utterance", request=name, text="something else")) is Why.REUSED
        assert await at.events() == ["start", "utterance", "classify"]


async def test_a_request_in_flight_is_waited_for_by_its_repetition(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        name = str(uuid.uuid4())
        first = asyncio.create_task(at.caller.send("utterance", request=name, text="hours?"))
        await at.agents.until_asked(1)
        again = asyncio.create_task(at.caller.send("utterance", request=name, text="hours?"))
        assert why(await at.caller.send("utterance", request=name, text="something else")) is Why.REUSED
        at.agents.answer(1, suggested("opening_hours", 9000))
        assert await first == await again
        assert len(at.agents.asked) == 1


async def test_a_caller_that_leaves_does_not_stop_its_turn(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        name = str(uuid.uuid4())
        turn = asyncio.create_task(at.caller.send("utterance", request=name, text="hours?"))
        await at.agents.until_asked(1)
        turn.cancel()
        at.agents.answer(1, suggested("opening_hours", 9000))
        await at.caller.conversations.drain()
        assert done(await at.caller.send("utterance", request=name, text="hours?")) == ["say opening_hours"]
        assert len(at.agents.asked) == 1


async def test_what_comes_before_the_start_or_starts_again_is_refused(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        other = Caller(at.caller.conversations)
        assert why(await other.send("utterance", text="hello")) is Why.NOT_STARTED
        assert why(await other.send("hangup")) is Why.NOT_STARTED
        assert await at.store.load(other.id) is None
        assert why(await at.caller.start()) is Why.STARTED


async def test_times_on_record_never_decrease(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.agents.answer(1, suggested("opening_hours", 9000))
        await at.caller.send("utterance", text="hours?")
        times = [record.at for record in await at.store.records(at.caller.id)]
        assert times == sorted(times)


async def test_a_record_says_which_rule_fired_where_on_which_facts(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.agents.answer(1, suggested("lost_card", 9300))
        await at.caller.send("utterance", text="I lost my card")
        utterance, answer = (await at.store.records(at.caller.id))[1:]
        assert utterance.personal == {"event/fields/text": "I lost my card"}
        assert "I lost my card" not in str(utterance.public)
        (rule,) = whole(answer)["fired"]
        assert rule["rule"] == "lost"
        assert (rule["file"], rule["line"]) == ("policy.charter", line_of("rule lost"))
        assert rule["facts"] == {"classify.confidence": "0.93"}
        assert whole(answer)["acts"] == [
            {"kind": "escalate", "name": "card_desk", "args": {}, "reasons": ["lost card"]}
        ]


def line_of(words: str) -> int:
    return next(i for i, line in enumerate(CARD_SUPPORT.splitlines(), 1) if line.startswith(words))


# --- when something breaks -------------------------------------------------------------------------------------------


class FullDisk:
    """A store that has room for so many commits."""

    def __init__(self, store: Store, room: int) -> None:
        self._store, self.room = store, room
        self.load, self.records, self.request = store.load, store.records, store.request
        self.open_conversations, self.outbox, self.due = store.open_conversations, store.outbox, store.due
        self.head, self.close = store.head, store.close

    async def commit(self, commit: Commit) -> Committed:
        if self.room == 0:
            raise DiskFull("here", "no room")
        self.room -= 1
        return await self._store.commit(commit)


async def test_where_the_store_fails_nothing_is_half_done_and_the_repetition_goes_on(tmp_path: Path) -> None:
    program = checked(tmp_path / "policy")
    agents = HeldAgents()
    async with stored(tmp_path / "charter.db") as store:
        full = FullDisk(store, 2)
        decides = Decider(program, RuleKernel(program), _rebuilt)
        caller = Caller(Conversations(ports(program, decides, agents, full)))
        await caller.start()
        name = str(uuid.uuid4())
        agents.answer(1, suggested("opening_hours", 9000))
        assert why(await caller.send("utterance", request=name, text="hours?")) is Why.STORE
        full.room = 10
        again = await caller.send("utterance", request=name, text="hours?")
        assert done(again) == ["escalate general"]  # the suggestion was lost with the commit: the ask has failed
        assert await caller.send("utterance", request=name, text="hours?") == again
        assert len(await store.records(caller.id)) == 3


class Stumbling:
    """A decider with a bug on one event."""

    def __init__(self, decides: Decider, kind: str) -> None:
        self._decides, self._kind = decides, kind

    def decide(self, state: State, event: Event) -> Decision:
        if event.kind == self._kind:
            raise ZeroDivisionError("a seeded bug")
        return self._decides.decide(state, event)


async def test_a_bug_on_an_answer_becomes_the_failure_of_the_ask(tmp_path: Path) -> None:
    program = checked(tmp_path / "policy")
    agents = HeldAgents()
    async with stored(tmp_path / "charter.db") as store:
        decides = Stumbling(Decider(program, RuleKernel(program), _rebuilt), "classify")
        caller = Caller(Conversations(ports(program, decides, agents, store)))
        await caller.start()
        agents.answer(1, suggested("opening_hours", 9000))
        assert done(await caller.send("utterance", text="hours?")) == ["escalate general"]


@pytest.mark.parametrize(
    ("at_fault", "said", "failed"),
    [
        ("mood", ["say opening_hours"], "mood fails"),
        ("classify", ["say how_can_i_help", "escalate general"], "classify fails"),
    ],
)
async def test_of_two_answers_that_come_together_only_the_one_at_fault_fails(
    tmp_path: Path, at_fault: str, said: list[str], failed: str
) -> None:
    program = checked(tmp_path / "policy", TOGETHER)
    agents = HeldAgents()
    async with stored(tmp_path / "charter.db") as store:
        decides = Stumbling(Decider(program, RuleKernel(program), _rebuilt), at_fault)
        caller = Caller(Conversations(ports(program, decides, agents, store)))
        await caller.start()
        agents.answer(1, suggested("opening_hours", 9000))
        agents.answer(2, Suggested({"cross": True}, ()))
        assert done(await caller.send("utterance", text="hm")) == said
        kinds = [whole(record)["event"]["kind"] for record in await store.records(caller.id)]
        assert set(kinds[2:]) == {"classify", "mood"} - {at_fault} | {failed}


async def test_a_bug_on_the_event_itself_is_an_error_and_nothing_happened(tmp_path: Path) -> None:
    program = checked(tmp_path / "policy")
    async with stored(tmp_path / "charter.db") as store:
        decides = Stumbling(Decider(program, RuleKernel(program), _rebuilt), "keys")
        caller = Caller(Conversations(ports(program, decides, HeldAgents(), store)))
        await caller.start()
        assert why(await caller.send("keys", digits="1")) is Why.BUG
        assert len(await store.records(caller.id)) == 1
        assert done(await caller.send("silence")) == ["say say_again"]


@pytest.mark.parametrize("lazily", [True, False])
async def test_a_turn_that_a_crash_left_goes_on(tmp_path: Path, lazily: bool) -> None:
    program = checked(tmp_path / "policy", TOGETHER)
    decides = Decider(program, RuleKernel(program), _rebuilt)
    async with stored(tmp_path / "charter.db") as store:
        agents = HeldAgents()
        gone = Caller(Conversations(ports(program, decides, agents, store)))
        await gone.start()
        name = str(uuid.uuid4())
        lost = asyncio.create_task(gone.send("utterance", request=name, text="hours?"))
        await agents.until_asked(2)

        conversations = Conversations(ports(program, decides, HeldAgents(), store))
        assert lazily or await conversations.go_on() == 1
        caller = Caller(conversations, gone.id)
        answer = await caller.send("utterance", request=name, text="hours?")
        assert done(answer) == ["escalate general"]
        assert await caller.send("utterance", request=name, text="hours?") == answer
        assert await conversations.go_on() == 0
        kinds = [whole(record)["event"]["kind"] for record in await store.records(gone.id)]
        assert kinds[:2] == ["start", "utterance"]
        assert "classify fails" in kinds[2:]
        lost.cancel()


async def test_a_turn_under_the_lease_of_another_server_is_left_to_it(tmp_path: Path) -> None:
    program = checked(tmp_path / "policy")
    decides = Decider(program, RuleKernel(program), _rebuilt)
    async with stored(tmp_path / "charter.db") as store:
        agents = HeldAgents()
        here = Caller(Conversations(ports(program, decides, agents, store)))
        await here.start()
        turn = asyncio.create_task(here.send("utterance", text="hours?"))
        await agents.until_asked(1)
        other = Conversations(ports(program, decides, HeldAgents(), store, owner="another"))
        assert await other.go_on() == 0
        assert why(await Caller(other, here.id).send("utterance", text="me too", within=0.05)) is Why.BUSY
        agents.answer(1, suggested("opening_hours", 9000))
        assert done(await turn) == ["say opening_hours"]


class Deaf:
    """A kernel that lets no rule speak on one kind of event."""

    def __init__(self, kernel: RuleKernel, kind: str) -> None:
        self._kernel, self._kind = kernel, kind

    def step(self, state: State, event: Event) -> Executed:
        executed = self._kernel.step(state, event)
        return executed._replace(acts=()) if event.kind == self._kind else executed


async def test_where_the_executors_differ_a_person_takes_over_and_the_incident_is_on_record(tmp_path: Path) -> None:
    program = checked(tmp_path / "policy")
    agents = HeldAgents()
    async with stored(tmp_path / "charter.db") as store:
        decides = Decider(program, Deaf(RuleKernel(program), "classify"), _rebuilt)
        caller = Caller(Conversations(ports(program, decides, agents, store)))
        await caller.start()
        agents.answer(1, suggested("opening_hours", 9000))
        response = await caller.send("utterance", text="hours?")
        assert done(response) == ["escalate general"]
        assert isinstance(response, pb.TurnResponse)
        assert list(response.acts[0].escalate.reasons) == ["safe stop"]
        records = await store.records(caller.id)
        incident = whole(records[-1])["incident"]
        assert incident["kind"] == "disagreement"
        assert "opening_hours" in incident["details"][0]
        assert "the kernel has" not in str(records[-1].public)  # it may tell what the customer said
        conversation = await store.load(caller.id)
        assert conversation is not None
        assert isinstance(replay(program, conversation, records), Unclear)


async def test_a_safe_stop_while_a_card_number_is_awaited_leaves_no_recording_paused(
    tmp_path: Path,
) -> None:
    loaded = load(Path(__file__).parents[2] / "rules" / "card_support")
    assert isinstance(loaded, Loaded)
    decides = Decider(loaded.program, Deaf(RuleKernel(loaded.program), "keys"), _rebuilt)
    agents, tools = HeldAgents(), HeldTools()
    async with stored(tmp_path / "charter.db") as store:
        caller = Caller(Conversations(ports(loaded.program, decides, agents, store, tools=tools)))
        await caller.start()
        agents.answer(1, Suggested({"intent": "activate_card", "confidence": 9000, "in_scope": 9000}, ()))
        agents.answer(2, Suggested({"score": 0}, ()))
        tools.answer(1, Returned({"paused": True}, ()))
        assert done(await caller.send("utterance", text="activate my card")) == [
            "say read_number",
            "collect",
        ]
        assert done(await caller.send("keys", digits="1")) == ["escalate general"]
        tools.answer(2, Returned({"resumed": True}, ()))
        await caller.send("escalated general")
        assert [call.tool.name for call in tools.called] == ["pause_recording", "continue_recording"]
