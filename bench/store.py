"""How much group commit gains: the same commits one after the other, and many at once. `python bench/store.py`."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from uuid import UUID

from charter.engine.audit import verify
from charter.engine.store import Commit, Store, create_key, open_store
from charter.engine.store.conformance import a_turn

COMMITS = 4000
AT_ONCE = 200


def a_commit(number: int) -> Commit:
    """A typical turn of a conversation of its own: a record with a personal value, a request opened and answered."""
    return a_turn(str(UUID(int=number)), 0, request=f"r{number}", says="where is my card?")


async def one_by_one(store: Store, numbers: range) -> float:
    """Commits a second when each waits for the one before it."""
    began = time.perf_counter()
    for number in numbers:
        await store.commit(a_commit(number))
    return len(numbers) / (time.perf_counter() - began)


async def at_once(store: Store, numbers: range) -> float:
    """Commits a second when `AT_ONCE` callers commit at the same time."""

    async def caller(own: range) -> None:
        for number in own:
            await store.commit(a_commit(number))

    began = time.perf_counter()
    await asyncio.gather(*(caller(numbers[start::AT_ONCE]) for start in range(AT_ONCE)))
    return len(numbers) / (time.perf_counter() - began)


async def main() -> None:
    """Prints both rates and their ratio, and what a verification of the result costs."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        key = create_key(Path(folder, "key"))
        url = f"sqlite:///{folder}/charter.db"
        store = open_store(url, key)
        single = await one_by_one(store, range(COMMITS))
        grouped = await at_once(store, range(COMMITS, 2 * COMMITS))
        await store.close()
        began = time.perf_counter()
        report = verify(url, key)
        took = time.perf_counter() - began
    print(f"single {single:.0f}/s  grouped {grouped:.0f}/s  ratio {grouped / single:.2f}")
    print(f"verified {report.records} records in {took:.2f} s, intact: {report.intact}")


if __name__ == "__main__":
    asyncio.run(main())
