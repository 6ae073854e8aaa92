"""`kill -9` of server, writing, agent and tool processes under load: nothing is lost, decided twice or written twice.

`CHARTER_CRASH_POINTS=50` kills more often than the build does.
"""

import asyncio
import collections
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import grpc.aio
from bank import BANK
from serving import policy_folder, turn
from test_server import error
from test_suggestions import free_port

from charter.v1 import conversations_pb2 as pb
from charter.v1.conversations_pb2_grpc import ConversationsStub

POINTS = int(os.environ.get("CHARTER_CRASH_POINTS", "15"))
SEED = 4
CALLERS = 12
PATIENT = BANK.replace("within 300 ms", "within 1 s")
INTENTS = ("lost", "more", "spend", "other", "spend")
TOOLBOX = str(Path(__file__).with_name("toolbox.py"))


@dataclass
class Phoenix:
    """A process that is started again, at the same address, whenever it was killed."""

    arguments: Sequence[str]
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *self.arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        assert line.startswith(b"listening on "), line

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.process.wait()
        await self.start()

    async def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        await self.process.wait()


@dataclass
class Site:
    """A server of two workers with an agent and tools, each in a process of its own."""

    folder: Path
    server: Phoenix
    agent: Phoenix
    tools: Phoenix
    stub: ConversationsStub
    held: list[tuple[pb.TurnRequest, pb.TurnResponse]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'charter.db'}"

    @property
    def calls(self) -> list[list[str]]:
        """The calls that tools were given: tool and key."""
        return [line.split() for line in (self.folder / "calls.log").read_text("utf-8").splitlines()]

    def workers(self) -> list[int]:
        assert self.server.process is not None
        return children(self.server.process.pid)

    def writers(self) -> list[int]:
        """The processes in which the workers have their commits written."""
        return [writer for worker in self.workers() for writer in children(worker)]


def children(pid: int) -> list[int]:
    """The processes that a process has started; none where it has ended."""
    try:
        lists = [thread / "children" for thread in Path(f"/proc/{pid}/task").iterdir()]
        return [int(one) for list_ in lists for one in list_.read_text("ascii").split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    policy = policy_folder(folder / "policy", PATIENT)
    replies = [
        f'{{"utterance": "{one}", "after_ms": 5, "suggest": {{"intent": {{"symbol": "{one}"}}}}}}' for one in INTENTS
    ]
    (folder / "script.jsonl").write_text("\n".join(replies), "utf-8")
    at = {name: f"127.0.0.1:{free_port()}" for name in ("server", "agent", "tools")}
    (policy / "charter.toml").write_text(
        f'[agents.classify]\naddress = "{at["agent"]}"\n[tools."*"]\naddress = "{at["tools"]}"\n', "utf-8"
    )
    script, store = str(folder / "script.jsonl"), f"sqlite:///{folder / 'charter.db'}"
    serve = [
        "-m",
        "charter",
        "serve",
        str(policy),
        "--store",
        store,
        "--listen",
        at["server"],
        "--workers",
        "2",
        "--allow-unproved",
    ]
    agent = Phoenix(["-m", "charter.agents", "scripted", "--script", script, "--listen", at["agent"]])
    tools = Phoenix([TOOLBOX, at["tools"], str(folder / "calls.log")])
    server = Phoenix(serve)
    quick = (("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200))
    async with AsyncExitStack() as closing:
        for phoenix in (agent, tools, server):
            await phoenix.start()
            closing.push_async_callback(phoenix.stop)
        channel = await closing.enter_async_context(grpc.aio.insecure_channel(at["server"], quick))
        yield Site(folder, server, agent, tools, ConversationsStub(channel))


async def until_answered(at: Site, request: pb.TurnRequest) -> pb.TurnResponse | str:
    """The answer to a request that is sent again as long as that may help; or the reason of its refusal."""
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await at.stub.Turn(request, timeout=5)
            except grpc.aio.AioRpcError as failed:
                if failed.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    await asyncio.sleep(0.02)
                    continue
                return failed.details() or ""
            at.held.append((request, answer))
            return answer


async def hold(at: Site, random: Random, stop: asyncio.Event) -> list[str]:
    """Conversations, one after the other, until told to stop; their names."""
    names = []
    while not stop.is_set():
        names.append(name := str(uuid.uuid4()))
        start = pb.Start(policy="bank", channel=pb.CHANNEL_VOICE, language="en", caller="+49")
        await until_answered(at, turn(name, start=start))
        for _ in range(6):
            request = random.choice(
                [
                    *(turn(name, utterance=pb.Utterance(text=text)) for text in INTENTS),
                    turn(name, keys=pb.Keys(digits="1")),
                    turn(name, outside=pb.Outside(name="nothing")),
                ]
            )
            await until_answered(at, request)
    return names


async def test_nothing_is_lost_or_done_twice(tmp_path: Path) -> None:
    random, stop = Random(SEED), asyncio.Event()
    async with site(tmp_path) as at:
        holding = [asyncio.create_task(hold(at, Random(SEED + number), stop)) for number in range(CALLERS)]
        kills: collections.Counter[str] = collections.Counter()
        victims = ["worker", "tools", "writer", "worker", "agent"] * POINTS
        for victim in victims[:POINTS]:
            await asyncio.sleep(random.uniform(0.2, 1.2))
            if victim in ("worker", "writer"):
                if running := at.workers() if victim == "worker" else at.writers():  # or just being started
                    os.kill(random.choice(running), signal.SIGKILL)
            else:
                await (at.agent if victim == "agent" else at.tools).kill()
            kills[victim] += 1
            assert not any(task.done() for task in holding)
        stop.set()
        names = [name for task in holding for name in await task]
        assert len(kills) == 4
        assert len(names) >= CALLERS
        await answered(at, names)
        await told_once(at)
        await called_once(at)
    for command in (["audit", "verify", "--store", at.url], ["replay", str(tmp_path / "policy"), "--store", at.url]):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "charter", *command, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
    assert f"{len(names)} conversations as recorded, 0 otherwise, 0 unclear" in said.decode()


async def answered(at: Site, names: Sequence[str]) -> None:
    """Every conversation came to rest: its turn was answered and is closed, or a person has it."""
    for name in names:
        async with asyncio.timeout(30):
            while True:
                where = await at.stub.GetConversation(pb.GetConversationRequest(conversation_id=name))
                if not where.open:
                    break
                await asyncio.sleep(0.05)
        explained = await at.stub.Explain(pb.ExplainRequest(conversation_id=name))
        assert not [decision for decision in explained.decisions if decision.HasField("incident")]


async def told_once(at: Site) -> None:
    """Every answer is the one on record, and every act that was told is a decision on record, told in one answer."""
    told: set[tuple[str, int, str]] = set()
    decided: dict[str, Sequence[pb.Decision]] = {}
    for request, answer in at.held:
        again = await at.stub.Turn(request)
        assert again.SerializeToString() == answer.SerializeToString()
        name = request.conversation_id
        if name not in decided:
            decided[name] = (await at.stub.Explain(pb.ExplainRequest(conversation_id=name))).decisions
        opened = [one for one in decided[name] if one.request_id == request.request_id and one.event in OPENING]
        assert len(opened) == 1
        for act in answer.acts:
            spelled = f"{act.WhichOneof('kind')} {named(act)}"
            assert any(one.startswith(spelled) for one in decided[name][act.sequence - 1].acts), spelled
            assert (name, act.sequence, spelled) not in told
            told.add((name, act.sequence, spelled))


OPENING = ("start", "utterance", "keys")


def named(act: pb.Act) -> str:
    kind = act.WhichOneof("kind") or ""
    return str(getattr(getattr(act, kind), "queue" if kind == "escalate" else "name"))


async def called_once(at: Site) -> None:
    """Every call that left is on record, and only an idempotent one was made more than once."""
    calls = collections.Counter((tool, key) for tool, key in at.calls)
    assert {tool for tool, _ in calls} == {"find", "block", "pay"}
    for (tool, key), count in calls.items():
        assert count == 1 or tool == "block", (tool, key, count)
        name, sequence, _ = key.split("/")
        explained = await at.stub.Explain(pb.ExplainRequest(conversation_id=name))
        assert any(act.startswith(f"call {tool}") for act in explained.decisions[int(sequence) - 1].acts)


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *at.server.arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        _, complaint = await process.communicate()
        assert process.returncode == 2
        assert b"cannot listen on" in complaint
        unknown = await error(at.stub.GetConversation(pb.GetConversationRequest(conversation_id=str(uuid.uuid4()))))
        assert unknown.reason == "CONVERSATION_UNKNOWN"
