"""A policy is served only with a certificate that holds, unless the operator says otherwise; then everybody is told."""

import asyncio
import hashlib
import shutil
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import pytest
from click.testing import CliRunner
from grpc_health.v1 import health_pb2, health_pb2_grpc

from charter.cli import main
from charter.dsl.load import Loaded, load
from charter.engine.serve.certified import PROOF
from charter.v1 import conversations_pb2 as pb
from charter.v1.conversations_pb2_grpc import ConversationsStub

POLICY = Path(__file__).parent.parent / "corpus" / "good" / "whole" / "seven_rules.charter"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs: what health says of the proof, the file with what it logs, and what comes with answers."""

    proof: int
    log: Path
    metadata: dict[str, str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy in a folder, with its certificate."""
    shutil.copy(POLICY, tmp_path / "policy.charter")
    made = CliRunner().invoke(main, ["verify", str(tmp_path), "--certificate", str(tmp_path / "certificate.json")])
    assert made.exit_code == 0, made.output
    return tmp_path


@asynccontextmanager
async def served(folder: Path, *more: str) -> AsyncIterator[Served]:
    """`charter serve` runs for the policy in this folder."""
    arguments = ["serve", str(folder), "--store", f"sqlite:///{folder / 'charter.db'}", *more]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "charter", *arguments, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.startswith("listening on "), (folder / "log").read_text("utf-8")
    try:
        async with grpc.aio.insecure_channel(line.removeprefix("listening on ").strip()) as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=PROOF))
            yield Served(answer.status, folder / "log", await with_answers(channel))
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def with_answers(channel: grpc.aio.Channel) -> dict[str, str]:
    """What each call says in `charter-proof`, by its name."""
    stub, conversation = ConversationsStub(channel), str(uuid.uuid4())
    start = pb.Start(policy="card_support", channel=pb.CHANNEL_VOICE, language="en")
    turn = stub.Turn(pb.TurnRequest(conversation_id=conversation, request_id=str(uuid.uuid4()), start=start))
    assert (await turn).acts
    got = stub.GetConversation(pb.GetConversationRequest(conversation_id=conversation))
    assert (await got).events == 1
    follow = pb.ConverseRequest(follow=pb.Follow(conversation_id=conversation))
    stream = stub.Converse(iter([follow]))
    metadata = {
        "Turn": await turn.trailing_metadata(),
        "GetConversation": await got.trailing_metadata(),
        "Converse": await stream.initial_metadata(),
    }
    stream.cancel()
    return {name: dict(pairs).get("charter-proof", "") for name, pairs in metadata.items()}


def refusal(folder: Path, *more: str) -> str:
    """Why the policy in this folder is not served."""
    store = f"sqlite:///{folder / 'charter.db'}"
    result = CliRunner().invoke(main, ["serve", str(folder), "--store", store, *more])
    assert result.exit_code == 2, result.output
    return result.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_proved_policy_is_served_and_health_says_so(folder: Path, workers: str) -> None:
    loaded = load(folder)
    assert isinstance(loaded, Loaded)
    certificate = hashlib.sha256((folder / "certificate.json").read_bytes()).hexdigest()
    async with served(folder, "--workers", workers) as server:
        assert server.proof == SERVING
        said = f"policy={loaded.program.digest}, certificate={certificate}"
        assert server.metadata == {"Turn": said, "GetConversation": said, "Converse": said}
    assert "NOT PROVED" not in server.log.read_text("utf-8")


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_policy_that_is_not_proved_is_served_loudly_where_that_is_allowed(folder: Path, workers: str) -> None:
    (folder / "certificate.json").unlink()
    async with served(folder, "--allow-unproved", "--workers", workers) as server:
        assert server.proof == NOT_SERVING
        assert {said.partition(", ")[2] for said in server.metadata.values()} == {"certificate=none"}
    assert "THE POLICY IS NOT PROVED" in server.log.read_text("utf-8")


async def test_the_deployment_says_where_the_certificate_is(folder: Path) -> None:
    (folder / "proofs").mkdir()
    (folder / "certificate.json").rename(folder / "proofs" / "today.json")
    (folder / "charter.toml").write_text('[proof]\ncertificate = "proofs/today.json"\n', "utf-8")
    async with served(folder) as server:
        assert server.proof == SERVING


def test_a_policy_without_a_certificate_is_not_served(folder: Path) -> None:
    (folder / "certificate.json").unlink()
    why = refusal(folder)
    assert "the policy is not proved, so it is not served" in why
    assert "certificate.json: No such file or directory; `charter verify" in why


def test_a_policy_that_has_changed_is_not_served(folder: Path) -> None:
    with (folder / "policy.charter").open("a", encoding="utf-8") as policy:
        policy.write("\n# changed\n")
    assert "certificate.json: it is of another policy" in refusal(folder)


def test_a_damaged_certificate_is_not_believed(folder: Path) -> None:
    file = folder / "certificate.json"
    file.write_text(file.read_text("utf-8").replace("|over|", "|started|", 1), "utf-8")
    assert "certificate.json: it is damaged" in refusal(folder)


def test_a_worker_does_not_serve_another_policy_than_was_checked(folder: Path) -> None:
    assert "has changed since" in refusal(folder, "--shared", "--certified", "0" * 64)
