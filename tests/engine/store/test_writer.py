"""Who writes when: who comes alone does not wait, who comes together shares, and no process overtakes another."""

import asyncio
import threading
import time
import uuid
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from charter.engine.store import Committed, Digest
from charter.engine.store.chain import Sealed, seal
from charter.engine.store.conformance import a_turn
from charter.engine.store.sqlite import SqliteOptions, sqlite_database
from charter.engine.store.writer import APART_SECONDS, Writer


def sealed() -> Sealed:
    return seal(a_turn(str(uuid.uuid4()), 0), lambda: bytes(16))


class Groups:
    """Writes nothing, and knows how many each group had and when it was written; the first waits to be let go."""

    def __init__(self) -> None:
        self.sizes, self.begun = list[int](), list[float]()
        self.go = threading.Event()

    def write(self, group: Sequence[Sealed]) -> Sequence[Committed]:
        self.begun.append(time.monotonic())
        self.sizes.append(len(group))
        self.go.wait()
        return [Committed(version=1, last_sequence=1, last_hash=Digest("")) for _ in group]


async def test_after_a_group_that_was_shared_the_next_one_waits_a_moment_for_others() -> None:
    groups = Groups()
    writer = Writer("here", groups.write, largest_group=256)
    writer.start()
    first = asyncio.create_task(writer.commit(sealed()))
    while not groups.sizes:
        await asyncio.sleep(0.001)
    shared = [asyncio.create_task(writer.commit(sealed())) for _ in range(3)]
    await asyncio.sleep(0)
    groups.go.set()
    await asyncio.gather(first, *shared)
    later = asyncio.create_task(writer.commit(sealed()))
    await asyncio.sleep(0)
    await asyncio.gather(later, writer.commit(sealed()))
    await writer.close()
    assert groups.sizes == [1, 3, 2]
    assert groups.begun[2] - groups.begun[1] >= APART_SECONDS


async def test_who_comes_alone_does_not_wait() -> None:
    groups = Groups()
    groups.go.set()
    writer = Writer("here", groups.write, largest_group=256)
    writer.start()
    for _ in range(50):
        await writer.commit(sealed())
    await writer.close()
    assert groups.sizes == [1] * 50
    assert min(later - before for before, later in pairwise(groups.begun)) < APART_SECONDS


def test_whoever_writes_again_at_once_does_not_overtake_who_waits(path: Path) -> None:
    order = list[str]()
    busy, patient = (sqlite_database(path, SqliteOptions()) for _ in range(2))

    def wait() -> None:
        with patient.turn():
            order.append("patient")

    waiting = threading.Thread(target=wait)
    with busy.turn():
        order.append("busy")
        waiting.start()
        time.sleep(0.1)
    with busy.turn():
        order.append("busy")
    waiting.join()
    busy.dispose()
    patient.dispose()
    assert order == ["busy", "patient", "busy"]


def test_a_turn_that_never_ends_is_waited_for_no_longer_than_allowed(path: Path) -> None:
    stuck, other = (sqlite_database(path, SqliteOptions(busy_ms=100)) for _ in range(2))
    with stuck.turn():
        began = time.monotonic()
        with other.turn():
            assert 0.1 <= time.monotonic() - began < 1
    stuck.dispose()
    other.dispose()
