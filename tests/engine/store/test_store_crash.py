"""A process that is killed while it commits, and several that start at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from charter.engine.audit import verify
from charter.engine.store import ConversationId, Key, Missing, Unusable, open_store
from charter.engine.store.conformance import ONE, TWO, a_turn, opened

COMMITTER = Path(__file__).with_name("committer.py")


def children(pid: int) -> list[int]:
    return [int(one) for of in Path(f"/proc/{pid}/task").glob("*/children") for one in of.read_text().split()]


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("apart", [[], ["apart"]], ids=["", "apart"])
async def test_every_acknowledged_commit_survives_a_kill(apart: list[str], url: str, key: Key) -> None:
    arguments = [COMMITTER, url, key.hex(), "10000", *apart]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE)
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(500)]
    writing = children(process.pid)
    assert len(writing) == len(apart)
    process.kill()
    lines += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    acknowledged: dict[ConversationId, int] = {}
    for line in lines:
        if line.endswith(b"\n"):
            name, count = line.decode().split()
            acknowledged[ConversationId(name)] = int(count)
    assert sum(acknowledged.values()) >= 500
    async with opened(lambda: open_store(url, key)) as store:
        for conversation, version in acknowledged.items():
            found = await store.load(conversation)
            assert found is not None
            assert version <= found.version <= version + 1
            assert len(await store.records(conversation)) == found.version
    assert verify(url, key).intact
    async with asyncio.timeout(10):
        while any(running(pid) for pid in writing):
            await asyncio.sleep(0.01)


async def test_a_process_that_writes_is_replaced_where_it_is_killed(url: str, key: Key) -> None:
    async with opened(lambda: open_store(url, key, apart=True)) as store:
        await store.commit(a_turn(ONE, 0))
        (writing,) = children(os.getpid())
        os.kill(writing, signal.SIGSTOP)
        waiting = [asyncio.ensure_future(store.commit(a_turn(one, 1 - n))) for n, one in enumerate((ONE, TWO))]
        await asyncio.sleep(0.05)
        os.kill(writing, signal.SIGKILL)
        assert all(isinstance(found, Unusable) for found in await asyncio.gather(*waiting, return_exceptions=True))
        assert (await store.commit(a_turn(ONE, 1))).version == 2
        assert (await store.commit(a_turn(TWO, 0))).version == 1
        assert not running(writing)
    assert verify(url, key).records == 3


async def test_a_process_that_writes_leaves_signals_to_the_server(url: str, key: Key) -> None:
    async with opened(lambda: open_store(url, key, apart=True)) as store:
        await store.commit(a_turn(ONE, 0))
        (writing,) = children(os.getpid())
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(writing, number)
        assert (await store.commit(a_turn(ONE, 1))).version == 2
        assert children(os.getpid()) == [writing]
    assert not running(writing)


async def test_no_new_database_is_made_where_the_one_in_use_was_moved(url: str, path: Path, key: Key) -> None:
    async with opened(lambda: open_store(url, key, apart=True)) as store:
        await store.commit(a_turn(ONE, 0))
        (writing,) = children(os.getpid())
        path.rename(path.with_name("elsewhere.db"))
        with pytest.raises(Missing):
            await store.commit(a_turn(ONE, 1))
        os.kill(writing, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(Unusable):
                await store.commit(a_turn(ONE, 1))
    assert not path.exists()


async def test_processes_that_start_at_once_share_one_store(url: str, key: Key) -> None:
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, COMMITTER, url, key.hex(), "5", stdout=PIPE)
        for _ in range(6)
    ]
    outputs = [(await process.communicate())[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 6
    report = verify(url, key)
    assert report.breaks == ()
    assert report.records == sum(len(output.splitlines()) for output in outputs)
    assert report.head is not None
    assert report.head.position == report.records
