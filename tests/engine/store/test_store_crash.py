"""A process that is killed while it commits, and several that start at once."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from charter.engine.audit import verify
from charter.engine.store import ConversationId, Key, open_store
from charter.engine.store.conformance import opened

COMMITTER = Path(__file__).with_name("committer.py")


async def test_every_acknowledged_commit_survives_a_kill(url: str, key: Key) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, COMMITTER, url, key.hex(), "10000", stdout=PIPE)
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(500)]
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
