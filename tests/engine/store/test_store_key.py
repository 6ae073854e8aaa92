"""The key file."""

from __future__ import annotations

from pathlib import Path

import pytest

from charter.engine.store import KeyRefused, create_key, read_key, read_or_create_key


def test_a_created_key_is_read_back_and_closed_to_others(tmp_path: Path) -> None:
    file = tmp_path / "key"
    key = create_key(file)
    assert len(key) == 32
    assert read_key(file) == read_or_create_key(file) == key
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    file = tmp_path / "key"
    key = read_or_create_key(file)
    with pytest.raises(KeyRefused, match="there already"):
        create_key(file)
    assert read_key(file) == key


@pytest.mark.parametrize(("mode", "length", "why"), [(0o640, 32, "0640"), (0o600, 31, "32 bytes"), (0o600, 33, "32")])
def test_a_bad_key_file_is_refused(tmp_path: Path, mode: int, length: int, why: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(bytes(length))
    file.chmod(mode)
    with pytest.raises(KeyRefused, match=why):
        read_or_create_key(file)


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="nowhere"):
        read_key(tmp_path / "nowhere")
    with pytest.raises(KeyRefused, match="nowhere"):
        read_or_create_key(tmp_path / "nowhere" / "key")
