"""`kill -9` of a real server between two turns and in the middle of one: nothing is lost or done twice."""

import asyncio
import contextlib
import signal
import socket
import sys
import threading
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import pytest
from serving import policy_folder, says, scripted_agent, start, suggest, turn

from charter.agents import (
    Abstention,
    Description,
    ProviderServicer,
    Question,
    Suggestion,
)
from charter.agents import serve as serve_agent
from charter.v1 import conversations_pb2 as pb
from charter.v1.conversations_pb2_grpc import ConversationsStub
from charter.v1.suggestion_pb2_grpc import add_SuggestionProviderServicer_to_server

READY = b"listening on "


@dataclass
class Process:
    """A server in a process of its own, and a client of it."""

    process: asyncio.subprocess.Process
    stub: ConversationsStub

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@dataclass(frozen=True)
class Place:
    """Where a server finds its policy, its agent and its store, and where it listens."""

    folder: Path
    listen: str

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'charter.db'}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Process]:
        """`charter serve` runs here; at the end it is told to stop, and has, unless it is gone."""
        arguments = [
            "serve",
            str(self.folder / "policy"),
            "--store",
            self.url,
            "--listen",
            self.listen,
            "--allow-unproved",
        ]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "charter", *arguments, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            assert (await process.stdout.readline()).startswith(READY)
            async with grpc.aio.insecure_channel(self.listen, RECONNECTS) as channel:
                yield Process(process, ConversationsStub(channel))
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 0

    async def charter(self, *arguments: str) -> str:
        """What this command says; it exits 0."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "charter", *arguments, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        return said.decode()

    async def in_order(self) -> str:
        """The audit log verifies, and every conversation is decided again as it was: what was said of both."""
        verified = await self.charter("audit", "verify", "--store", self.url)
        return verified + await self.charter("replay", str(self.folder / "policy"), "--store", self.url)


RECONNECTS = (("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200))


def place(folder: Path, agent: str) -> Place:
    policy = policy_folder(folder / "policy")
    (policy / "charter.toml").write_text(f'[agents.classify]\naddress = "{agent}"\n', "utf-8")
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return Place(folder, f"127.0.0.1:{taken.getsockname()[1]}")


class Pondering:
    """An agent that says when it is asked, and does not answer before it is released."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.released = threading.Event()

    def describe(self) -> Description:
        return Description("pondering", ())

    def suggest(self, question: Question) -> Suggestion | Abstention:  # noqa: ARG002  # the protocol's signature
        self.asked.set()
        self.released.wait()
        return Abstention("too late")


@asynccontextmanager
async def pondering() -> AsyncIterator[tuple[Pondering, str]]:
    """Such an agent runs here, at this address."""
    agent, stop = Pondering(), asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    with ThreadPoolExecutor(max_workers=2) as workers:
        servicer = ProviderServicer(agent, workers)
        task = asyncio.create_task(
            serve_agent(
                lambda server: add_SuggestionProviderServicer_to_server(servicer, server),
                listen="127.0.0.1:0",
                stop=stop,
                ready=ready.set_result,
                drain=0,
            )
        )
        try:
            yield agent, await ready
        finally:
            agent.released.set()
            stop.set()
            await task


async def test_between_two_turns_the_conversation_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with scripted_agent(tmp_path, suggest("opening_hours", "0.9")) as agent:
        at, name = place(tmp_path, agent), str(uuid.uuid4())
        begun = start(name)
        async with at.serving() as first:
            greeting = await first.stub.Turn(begun)
            await first.kill()
        async with at.serving() as second:
            assert (await second.stub.Turn(begun)).SerializeToString() == greeting.SerializeToString()
            answer = await second.stub.Turn(says(name, "When are you open?"))
            assert [act.say.name for act in answer.acts] == ["opening_hours"]
        assert await at.in_order() == (
            "audit chain verified: 1 conversations, 3 records\n1 conversations as recorded, 0 otherwise, 0 unclear\n"
        )


async def test_in_the_middle_of_a_turn_what_was_asked_has_failed_and_the_repetition_is_answered(
    tmp_path: Path,
) -> None:
    async with pondering() as (agent, address):
        at, name = place(tmp_path, address), str(uuid.uuid4())
        request = says(name, "I lost my card")
        async with at.serving() as first:
            await first.stub.Turn(start(name))
            call = first.stub.Turn(request)
            sending = asyncio.ensure_future(call)
            await asyncio.to_thread(agent.asked.wait)
            await first.kill()
            with pytest.raises(grpc.aio.AioRpcError):
                await sending
        async with at.serving() as second:
            answer = await second.stub.Turn(request)
            assert [act.escalate.queue for act in answer.acts] == ["general"]
            assert list(answer.acts[0].escalate.reasons) == ["not understood: error"]
            assert (await second.stub.Turn(request)).SerializeToString() == answer.SerializeToString()
            explained = await second.stub.Explain(pb.ExplainRequest(conversation_id=name))
            assert [decision.event for decision in explained.decisions] == ["start", "utterance", "classify fails"]
            end = await second.stub.Turn(turn(name, escalated=pb.Escalated(queue="general")))
            assert end.over
        assert "1 conversations as recorded" in await at.in_order()
