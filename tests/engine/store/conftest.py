"""A key, and a place for a store."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL

from charter.engine.store import Key


@pytest.fixture
def key() -> Key:
    return Key(bytes(range(32)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a store?#%20.db"


@pytest.fixture
def url(path: Path) -> str:
    return URL.create("sqlite", database=str(path)).render_as_string()
