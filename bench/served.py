"""A server with two scripted agents, each a process of its own, for the benchmarks that drive one over gRPC."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio

LISTENING = "listening on "
POLICY = """
policy bench
  languages en
  fallback queue general
  human wanted when classify.intent known== human
enum Intent { hours, human, other }
queue general  within 30 s
disclosure recording { en "This call is recorded." }
prompt how_can_i_help { en "How can I help?" }
prompt say_again { en "Could you say it again?" }
prompt hours { en "We are open from 9 to 5." }
agent classify    suggests { intent: Intent, confidence: decimal(4) 0..1 }  within 3 s
agent fraud_score suggests { score: decimal(4) 0..1 }                       within 3 s
fact asked: int 0..1000 = 0
define sure = classify.confidence known>= 0.55
rule greet  on start      do disclose recording  say how_can_i_help
rule listen on utterance  do ask classify, fraud_score
rule count  on classify when was asked < 1000  do set asked = was asked + 1
rule hours  on classify when sure and its intent == hours  do say hours
rule human  on classify when its intent == human  do escalate general because "a person is wanted"
rule unclear on classify when (not sure or its intent == other) and its intent != human  do say say_again
rule again  on silence or keys  do say say_again
rule no_sense on classify fails  do escalate general because "not understood: {reason}"
rule fraud  on fraud_score when its score >= 0.8  do escalate general because "fraud score {score}"
rule no_score on fraud_score fails  do note "no score"
rule nobody on escalate general fails  do end because "no queue answered"
require notice_first "nothing is said before the recording notice"
  disclose recording before say any
"""
WANTS_A_PERSON = "a person, please"
SCRIPTS = {
    "classify": (
        {"describe": {"fields": [{"name": "intent"}, {"name": "confidence"}]}},
        {"suggest": {"intent": {"symbol": "hours"}, "confidence": {"decimal": "0.93"}}},
        {
            "utterance": WANTS_A_PERSON,
            "suggest": {"intent": {"symbol": "human"}, "confidence": {"decimal": "0.97"}},
        },
    ),
    "fraud_score": (
        {"describe": {"fields": [{"name": "score"}]}},
        {"suggest": {"score": {"decimal": "0.02"}}},
    ),
}


@dataclass(frozen=True)
class Served:
    """A server that runs: its processes, those that write for it, those of its agents, and connections to it."""

    server: list[int]
    writers: list[int]
    agents: list[int]
    channels: list[grpc.aio.Channel]


@asynccontextmanager
async def served(folder: Path, policy: str, workers: int) -> AsyncIterator[Served]:
    """A server of so many processes for this policy; everything that it keeps is in the folder."""
    (folder / "policy.charter").write_text(policy, "utf-8")
    async with AsyncExitStack() as processes:
        agents, config = [], ""
        for name, replies in SCRIPTS.items():
            script = folder / f"{name}.jsonl"
            script.write_text("\n".join(map(json.dumps, replies)), "utf-8")
            agent = await processes.enter_async_context(
                child("-m", "charter.agents", "scripted", "--script", str(script))
            )
            agents.append(agent.pid)
            config += f'[agents.{name}]\naddress = "{agent.address}"\n'
        (folder / "charter.toml").write_text(config, "utf-8")
        store = f"sqlite:///{folder / 'charter.db'}"
        serve = ["-m", "charter", "serve", str(folder), "--store", store, "--workers", str(workers), "--allow-unproved"]
        server = await processes.enter_async_context(child(*serve))
        channels = await processes.enter_async_context(connected(server.address))
        everyone = family(server.pid)
        writers = [pid for pid in everyone if b".writing" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        yield Served([pid for pid in everyone if pid not in writers], writers, agents, channels)


@dataclass(frozen=True)
class Child:
    """A process that listens."""

    pid: int
    address: str


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[Child]:
    """`python …` runs and says where it listens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode().strip()
        if not line.startswith(LISTENING):
            raise RuntimeError(f"{arguments} says {line!r}")
        yield Child(process.pid, line.removeprefix(LISTENING))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()


def family(pid: int) -> list[int]:
    """The process, those that it started, those that these started, and so on."""
    children = [child for of in Path(f"/proc/{pid}/task").glob("*/children") for child in of.read_text().split()]
    return [pid, *(one for child in children for one in family(int(child)))]


def cpu(pids: Sequence[int]) -> tuple[float, float]:
    """Seconds of CPU that the processes took: their first threads, which run the event loops, and their other ones."""
    loops = others = 0.0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            if int(task.name) == pid:
                loops += seconds
            else:
                others += seconds
    return loops, others


def machine() -> float:
    """Seconds of CPU that all processes of this machine took since it was started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    user, nice, system, _, _, interrupts, soft, stolen, *_ = fields
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[list[grpc.aio.Channel]]:
    """Several connections, so that every worker gets some."""
    apart = (("grpc.use_local_subchannel_pool", 1),)
    channels = [grpc.aio.insecure_channel(address, apart) for _ in range(32)]
    try:
        yield channels
    finally:
        for channel in channels:
            await channel.close(None)
