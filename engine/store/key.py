"""The key of the keyed head, in a file outside the database."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from .chain import Key
from .errors import KeyRefused

KEY_BYTES = 32


def create_key(path: Path) -> Key:
    """A new key stands in `path`, readable by its owner only; a file that is there already is refused, not replaced."""
    key = secrets.token_bytes(KEY_BYTES)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write(draft, key)
        os.link(draft, path)  # unlike a rename, fails where the file exists; unlike a write, is never seen half done
    except FileExistsError as error:
        raise KeyRefused(f"{path}: a key is there already") from error
    except OSError as error:
        raise KeyRefused(f"{path}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    return Key(key)


def read_key(path: Path) -> Key:
    """The key in `path`, which must hold 32 bytes and be closed to group and others."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            key = file.read(KEY_BYTES + 1)
    except OSError as error:
        raise KeyRefused(f"{path}: {error.strerror}") from error
    if mode & 0o077:
        raise KeyRefused(f"{path}: mode {mode:04o} lets others read the key; set it to 0600")
    if len(key) != KEY_BYTES:
        raise KeyRefused(f"{path}: a key has {KEY_BYTES} bytes")
    return Key(key)


def read_or_create_key(path: Path) -> Key:
    """The key in `path`, made at the first call; processes that call at once get the same key."""
    if not path.exists():
        try:
            return create_key(path)
        except KeyRefused:
            if not path.exists():
                raise
    return read_key(path)


def _write(path: Path, key: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
