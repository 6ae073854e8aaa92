"""Conversations played from a file against real processes: what was as expected, and what was not."""

from pathlib import Path

import pytest
from serving import checked, suggest

from charter.dsl.load import Loaded, load
from charter.dsl.values import Misfit
from charter.engine.local.demo import demo
from charter.engine.local.script import InvalidScript, collected_request, event_request, read_script
from charter.v1 import conversations_pb2 as pb

CONVERSATION = """
[processes]
double = ["scripted", "--script", "classify.jsonl"]

[agents]
classify = "double"

[[conversation]]
about = "a lost card"
channel = "chat"
language = "en"
expect = ["disclose recording", "say how_can_i_help"]

[[conversation.turn]]
event = "keys 1"
expect = ["say say_again"]

[[conversation.turn]]
says = "I lost my card"
expect = ["escalate card_desk"]

[[conversation.turn]]
event = "escalate card_desk fails"
expect = ["end"]
"""


def written(folder: Path, text: str = CONVERSATION) -> Path:
    path = folder / "conversations.toml"
    path.write_text(text, "utf-8")
    return path


async def played(tmp_path: Path, *replies: str, conversations: str = CONVERSATION) -> tuple[bool, str]:
    """Whether all was as expected, and what was shown."""
    program = checked(tmp_path / "policy")
    folder = tmp_path / "policy"
    (folder / "classify.jsonl").write_text("\n".join(replies), "utf-8")
    shown: list[str] = []
    script = read_script(written(folder, conversations), program)
    fine = await demo(folder, script, tmp_path / "var", shown.append)
    return fine, "\n".join(shown)


async def test_a_transcript_says_what_was_suggested_which_rule_decided_and_what_was_done(tmp_path: Path) -> None:
    fine, shown = await played(tmp_path, suggest("lost_card", "0.93"))
    assert fine, shown
    for words in (
        'customer  "I lost my card"',
        "classify: intent lost_card, confidence 0.93",
        "rule lost  policy.charter:",
        "→ escalate card_desk",
        "charter   transfers to card_desk, because: lost card",
        'charter   discloses: "This call is recorded."',
        "4 turns, 5 decisions, 0 not as expected",
        "audit chain verified: 1 conversations, 5 records",
    ):
        assert words in shown


async def test_one_miss_is_shown_and_fails_the_demo(tmp_path: Path) -> None:
    fine, shown = await played(tmp_path, suggest("opening_hours", "0.93"), suggest("lost_card", "0.93"))
    assert not fine
    assert "MISS      `escalate card_desk` was expected" in shown
    assert 'not as expected: "I lost my card": `escalate card_desk` was expected, `say opening_hours` was done' in shown


async def test_a_process_that_is_down_is_an_event_of_the_policy(tmp_path: Path) -> None:
    down = CONVERSATION.replace('about = "a lost card"', 'about = "an agent is down"\ndown = ["double"]')
    fine, shown = await played(
        tmp_path,
        suggest("lost_card", "0.93"),
        conversations=down.replace('"escalate card_desk"]', '"escalate general"]').replace("card_desk", "general"),
    )
    assert fine, shown
    assert "(double is down)" in shown
    assert "classify fails: reason error" in shown


async def test_an_agent_that_cannot_start_is_told(tmp_path: Path) -> None:
    fine, shown = await played(tmp_path, "no script")
    assert not fine
    assert "classify.jsonl:1" in shown


@pytest.mark.parametrize(
    ("was", "now", "complaint"),
    [
        ('channel = "chat"', 'channel = "fax"', "'fax'"),
        ('about = "a lost card"', "", "'about' is missing"),
        ('says = "I lost my card"', 'said = "I lost my card"', "unknown key `said`"),
        ('event = "keys 1"', 'event = "shouts"', "`shouts` is no event"),
        ('classify = "double"', 'classify = "twin"', "there is no process `twin`"),
        ('about = "a lost card"', 'about = "a lost card"\ndown = ["twin"]', "there is no process `twin`"),
        ('says = "I lost my card"', 'gives = { year = "1970" }', "the policy collects no `year`"),
        ('language = "en"', "", "'language' is missing"),
        ("[agents]", "[agent]", "unknown key `agent`"),
        ("[[conversation]]", "[[conversation", "Expected"),
    ],
)
def test_a_mistake_in_the_file_is_told(tmp_path: Path, was: str, now: str, complaint: str) -> None:
    assert was in CONVERSATION
    with pytest.raises(InvalidScript, match=complaint):
        read_script(written(tmp_path, CONVERSATION.replace(was, now, 1)), checked(tmp_path / "policy"))


def test_words_stand_for_events() -> None:
    assert event_request("escalate card_desk fails") == pb.TurnRequest(
        escalate_failed=pb.EscalateFailed(queue="card_desk")
    )
    assert event_request("escalated general") == pb.TurnRequest(escalated=pb.Escalated(queue="general"))
    assert event_request("hangup").HasField("hangup")
    assert event_request("silence").HasField("silence")


SHIPPED = Path(__file__).parents[2] / "rules" / "card_support"


def test_a_value_that_is_given_is_of_the_declared_type() -> None:
    loaded = load(SHIPPED)
    assert isinstance(loaded, Loaded)
    given = collected_request(loaded.program, "new_limit", "1500").collected
    assert (given.name, given.value.integer) == ("new_limit", 1500)
    assert collected_request(loaded.program, "last_digits", "1970").collected.value.id == "1970"
    with pytest.raises(Misfit, match="new_limit"):
        collected_request(loaded.program, "new_limit", "5001")
    with pytest.raises(Misfit, match="new_limit"):
        collected_request(loaded.program, "new_limit", "a lot")


def test_the_shipped_conversations_can_be_read() -> None:
    loaded = load(SHIPPED)
    assert isinstance(loaded, Loaded)
    script = read_script(SHIPPED / "conversations.toml", loaded.program)
    languages = {move.event.start.language for one in script.conversations for move in one.moves[:1]}
    assert len(script.conversations) >= 10
    assert all(4 <= len(one.moves) <= 12 for one in script.conversations)
    assert languages == {"en", "de"}
