"""The contracts, the code generated from them, and the rules that they state."""

import shutil
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status

from charter.v1 import conversations_pb2, suggestion_pb2
from charter.v1.validation import Violation, invalid_argument, violations

PROTO = Path(__file__).parents[2] / "proto"
ID = str(UUID(int=1))


def generate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "generate.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROTO, tmp_path / "proto"))


def test_the_committed_code_is_what_the_contracts_generate() -> None:
    answer = generate(PROTO, "--check")
    assert (answer.returncode, answer.stderr) == (0, "")


def test_a_contract_that_changed_names_the_files_to_generate(copy: Path) -> None:
    contract = copy / "charter/v1/values.proto"
    contract.write_text(contract.read_text().replace("bool boolean = 1;", "bool truth = 1;"))
    answer = generate(copy, "--check")
    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        f"proto/charter/v1/{name} is not what the contracts generate: run `python proto/generate.py`"
        for name in ("values_pb2.py", "values_pb2.pyi")
    ]
    assert generate(copy).returncode == 0
    assert generate(copy, "--check").returncode == 0


def test_generated_code_of_no_contract_is_named_and_then_removed(copy: Path) -> None:
    orphan = copy / "charter/v1/gone_pb2.py"
    orphan.touch()
    assert "gone_pb2.py" in generate(copy, "--check").stderr
    generate(copy)
    assert not orphan.exists()


def test_a_message_without_a_comment_does_not_pass_the_lint(copy: Path) -> None:
    contract = copy / "charter/v1/values.proto"
    contract.write_text(contract.read_text().replace("// A named value.\n", ""))
    generate(copy)
    answer = generate(copy, "--check")
    assert answer.returncode == 1
    assert 'Message "Field" should have a non-empty comment' in answer.stderr


def test_a_contract_that_is_no_proto_is_refused_with_its_line(copy: Path) -> None:
    (copy / "charter/v1/values.proto").write_text('syntax = "proto3";\nmessage {\n')
    answer = generate(copy)
    assert answer.returncode == 1
    assert "charter/v1/values.proto:2:9" in answer.stderr


def test_the_package_brings_its_own_rules_and_no_top_level_package() -> None:
    program = "import sys; from charter.v1 import suggestion_pb2_grpc; sys.exit('buf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_valid_turn_breaks_no_rule() -> None:
    start = conversations_pb2.Start(policy="card_support", channel=conversations_pb2.CHANNEL_CHAT, language="en")
    request = conversations_pb2.TurnRequest(conversation_id=ID, request_id=ID, start=start)
    assert violations(request) == ()


def test_an_invalid_turn_is_refused_with_the_path_of_the_field() -> None:
    request = conversations_pb2.TurnRequest(
        conversation_id=ID, request_id="1", start=conversations_pb2.Start(policy="p", channel=9, language="en")
    )
    assert violations(request) == (
        Violation("request_id", "must be a valid UUID"),
        Violation("start.channel", "value must be one of the defined enum values"),
    )


def test_a_path_shows_the_place_in_a_list() -> None:
    request = suggestion_pb2.SuggestRequest(request_id="1", agent="classify", language="en")
    request.sees.add(name="balance").value.decimal = "12.50"
    request.sees.add(name="score").value.decimal = "NaN"
    assert [one.field for one in violations(request)] == ["sees[1].value.decimal"]


@pytest.mark.parametrize("text", ["0", "-0.5", "0.9312", "12345678901234567890"])
def test_a_decimal_is_digits(text: str) -> None:
    request = suggestion_pb2.SuggestRequest(request_id="1", agent="classify", language="en")
    request.sees.add(name="score").value.decimal = text
    assert violations(request) == ()


@pytest.mark.parametrize("text", ["", "NaN", "inf", "1e9", "+1", ".5", "5.", "1,5", "٣", "1\n", "0" * 33])
def test_nothing_else_is_a_decimal(text: str) -> None:
    request = suggestion_pb2.SuggestRequest(request_id="1", agent="classify", language="en")
    request.sees.add(name="score").value.decimal = text
    assert [one.field for one in violations(request)][:1] == ["sees[0].value.decimal"]


def test_a_refusal_carries_each_field_and_fits_into_the_trailers() -> None:
    request = suggestion_pb2.SuggestRequest(request_id="1", agent="classify", language="en")
    for _ in range(200):
        request.sees.add()
    refusal = invalid_argument(violations(request))
    ((_, packed),) = refusal.trailing_metadata
    status = Status.FromString(packed)
    details = BadRequest()
    assert status.details[0].Unpack(details)
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.details.startswith("sees[0].name: ")
    assert [one.field for one in details.field_violations] == [f"sees[{place}].name" for place in range(8)]
    assert len(packed) < 8192
