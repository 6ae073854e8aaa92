"""Commits to conversations of its own and prints each commit once it is acknowledged. Run by the crash tests."""

from __future__ import annotations

import asyncio
import sys
from uuid import uuid4

from charter.engine.store import Key, Store, open_store
from charter.engine.store.conformance import a_turn


async def converse(store: Store, turns: int) -> None:
    """One conversation, turn by turn."""
    conversation = str(uuid4())
    for version in range(turns):
        committed = await store.commit(a_turn(conversation, version, request=f"r{version}"))
        print(conversation, committed.version, flush=True)


async def main(url: str, key: str, turns: str, apart: str = "") -> None:
    """Eight conversations at once; with `apart`, another process writes."""
    store = open_store(url, Key(bytes.fromhex(key)), apart=bool(apart))
    await asyncio.gather(*(converse(store, int(turns)) for _ in range(8)))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
