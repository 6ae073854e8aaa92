"""Turns over gRPC with two agents and durable commits, beside a bare echo. `python bench/turn.py`.

Agents, servers and the client are processes of their own, and share the cores of this machine with each other and with
whatever else runs. A turn is an utterance, two questions to scripted agents at once, two commits (three where an answer
comes much later than the other one) and the acts that follow. Beside it, in the same run and with the same client:

- echo: a bare asyncio gRPC server that gives a message back;
- echo with group commit: the same, with one durable commit of a typical turn before it answers.

Writes `bench/out/turn.json`.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import grpc.aio
from served import LISTENING, POLICY, child, connected, cpu, machine, served

from charter.engine.store import Key, open_store
from charter.engine.store.conformance import a_turn
from charter.v1 import conversations_pb2 as pb
from charter.v1.conversations_pb2_grpc import ConversationsStub

AT_ONCE = (1, 50, 200)
SECONDS = 6.0
SUSTAINED_SECONDS = 60.0  # of the last run
TURNS = 10  # of a conversation
RATE = 400.0  # turns a second that are offered in the last run
ECHO = "/bench.Echo/Say"
Call: TypeAlias = Callable[[int], Awaitable[None]]


@dataclass(frozen=True)
class Load:
    """What a caller of a number does: what comes before a call and is not timed, and the call."""

    prepare: Call
    call: Call


# --- peers -----------------------------------------------------------------------------------------------------------


async def echo(store: str) -> None:
    """Serves the echo, with a commit before each answer where a store is named."""
    kept = open_store(f"sqlite:///{store}", Key(bytes(32))) if store else None
    server = grpc.aio.server()

    async def say(request: bytes, context: object) -> bytes:  # noqa: ARG001  # gRPC's signature
        if kept is not None:
            await kept.commit(a_turn(str(uuid.uuid4()), 0, request=str(uuid.uuid4()), says="where is my card?"))
        return request

    handlers = {"Say": grpc.unary_unary_rpc_method_handler(say)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"{LISTENING}127.0.0.1:{port}", flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(0)


def echo_load(channels: Sequence[grpc.aio.Channel]) -> Load:
    """Says something of the size of a turn."""
    says = [channel.unary_unary(ECHO) for channel in channels]

    async def prepare(number: int) -> None:
        pass

    async def call(number: int) -> None:
        await says[number % len(says)](b"x" * 120)

    return Load(prepare, call)


def turn_load(channels: Sequence[grpc.aio.Channel]) -> Load:
    """The next turn of a conversation of its own for every number; after so many turns a new one is prepared.

    The first ones are of different lengths, so that they do not all begin anew at once.
    """
    stubs = [ConversationsStub(channel) for channel in channels]
    names: dict[int, tuple[str, int]] = {}

    async def prepare(number: int) -> None:
        turns = names[number][1] if number in names else None
        if turns in (None, TURNS):
            names[number] = (str(uuid.uuid4()), number % TURNS if turns is None else 0)
            start = pb.Start(policy="bench", channel=pb.CHANNEL_VOICE, language="en")
            await turn(number, start=start)

    async def call(number: int) -> None:
        name, turns = names[number]
        names[number] = (name, turns + 1)
        answer = await turn(number, utterance=pb.Utterance(text="when are you open tomorrow?"))
        if [act.say.name for act in answer.acts] != ["hours"]:
            raise AssertionError(answer)

    async def turn(number: int, **event: object) -> pb.TurnResponse:
        name, request = names[number][0], str(uuid.uuid4())
        return await stubs[number % len(stubs)].Turn(
            pb.TurnRequest(conversation_id=name, request_id=request, **event),  # type: ignore[arg-type]
            timeout=8,
        )

    return Load(prepare, call)


# --- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """Calls a second, milliseconds, and milliseconds of CPU a call by part; the cores that other processes took."""

    at_once: int
    offered: float | None
    calls: int
    per_second: float
    p50: float
    p99: float
    cpu: dict[str, float]
    others: float


async def measured(load: Load, at_once: int, parts: dict[str, list[int]], rate: float | None = None) -> Measured:
    """So many callers at once, each after the answer to the last; or calls at a fixed rate, spread over the callers."""
    loop, times = asyncio.get_running_loop(), list[float]()

    async def first(number: int) -> None:
        await load.prepare(number)
        await load.call(number)

    await asyncio.gather(*map(first, range(at_once)))  # connections, first conversations
    before, own = {name: cpu(pids) for name, pids in parts.items()}, time.process_time()
    everything = machine()
    began = loop.time()
    seconds = SECONDS if rate is None else SUSTAINED_SECONDS

    async def caller(number: int) -> None:
        turn = 0
        while loop.time() - began < seconds:
            await load.prepare(number)
            if rate is not None:
                due = began + (turn * at_once + number) / rate
                turn += 1
                await asyncio.sleep(max(0.0, due - loop.time()))
                sent = due  # a call that could not leave in time has waited too
            else:
                sent = loop.time()
            await load.call(number)
            times.append((loop.time() - sent) * 1000)

    await asyncio.gather(*(caller(number) for number in range(at_once)))
    took = loop.time() - began
    times.sort()
    spent = {"client": time.process_time() - own}
    for name, pids in parts.items():
        loops, others = (after - first for after, first in zip(cpu(pids), before[name], strict=True))
        spent |= {name: loops, f"{name}, other threads": others}
    return Measured(
        at_once=at_once,
        offered=rate,
        calls=len(times),
        per_second=len(times) / took,
        p50=times[len(times) // 2],
        p99=times[int(len(times) * 0.99)],
        cpu={name: seconds * 1000 / len(times) for name, seconds in spent.items()},
        others=max(0.0, (machine() - everything - sum(spent.values())) / took),
    )


async def run_peer(store: str) -> list[Measured]:
    async with child(__file__, "echo", store) as peer, connected(peer.address) as channels:
        load, parts = echo_load(channels), {"server": [peer.pid]}
        results = [await measured(load, at_once, parts) for at_once in AT_ONCE]
        return [*results, await measured(load, AT_ONCE[-1], parts, RATE)]


async def run_turns(folder: Path, workers: int) -> list[Measured]:
    folder.mkdir()
    async with served(folder, POLICY, workers) as at:
        parts = {"server": at.server, "writers": at.writers, "agents": at.agents}
        results = [await measured(turn_load(at.channels), at_once, parts) for at_once in AT_ONCE]
        return [*results, await measured(turn_load(at.channels), AT_ONCE[-1], parts, RATE)]


async def main() -> None:
    """Prints a table with ratios, and writes it."""
    with tempfile.TemporaryDirectory() as work:
        results = {"echo": await run_peer(""), "echo with group commit": await run_peer(str(Path(work) / "echo.db"))}
        for workers in (1, 2):
            name = f"turn, {workers} worker{'s' * (workers > 1)}"
            results[name] = await run_turns(Path(work) / str(workers), workers)
    print(f"{os.cpu_count()} cores; `others`: how many of them other processes took")
    print(
        f"{'':32}{'at once':>8}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}{'echo / it':>11}{'others':>8}  CPU ms a call"
    )
    for name, rows in results.items():
        for place, row in enumerate(rows):
            ratio = f"{results['echo'][place].per_second / row.per_second:11.1f}" if row.offered is None else " " * 11
            parts = ", ".join(f"{part} {ms:.2f}" for part, ms in row.cpu.items() if ms >= 0.005)
            offered = f"{name}, {row.offered:.0f}/s" if row.offered else name
            numbers = f"{row.at_once:>8}{row.per_second:>10.0f}{row.p50:>9.1f}{row.p99:>9.1f}"
            print(f"{offered:32}{numbers}{ratio}{row.others:>8.2f}  {parts}")
    out = Path(__file__).parent / "out" / "turn.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({name: [asdict(row) for row in rows] for name, rows in results.items()}, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(echo(sys.argv[2]) if sys.argv[1:2] == ["echo"] else main())
