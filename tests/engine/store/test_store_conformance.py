"""The SQLite store passes the kit that every store must pass."""

from __future__ import annotations

import pytest

from charter.engine.store import Key, Store, open_store
from charter.engine.store.conformance import CHECKS, Check


def test_the_kit_is_not_empty() -> None:
    assert len(CHECKS) > 10


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_sqlite_that_another_process_writes_conforms(check: Check, url: str, key: Key) -> None:
    def factory() -> Store:
        return open_store(url, key, apart=True)

    await check(factory)


@pytest.mark.parametrize("largest_group", [1, 3, 256])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_sqlite_conforms(check: Check, largest_group: int, url: str, key: Key) -> None:
    def factory() -> Store:
        return open_store(url, key, largest_group=largest_group)

    await check(factory)
