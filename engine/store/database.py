"""A database that a store runs on, as far as the store needs to know it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.engine.interfaces import DBAPICursor

from .errors import Fault


@dataclass(frozen=True, slots=True)
class Database:
    """Two engines over one database, and the meaning of its errors.

    A transaction of `writer` holds the write lock from its beginning; `reader` has a connection for each of
    `readers` threads and cannot write. `transaction` is one of `writer` without what the toolkit would do around each
    statement; its errors are of the class `error`.
    """

    where: str
    writer: Engine
    reader: Engine
    readers: int
    error: type[Exception]
    fault: Callable[[BaseException], Fault]
    turn: Callable[[], AbstractContextManager[None]]  # writers of several processes wait in it for each other
    transaction: Callable[[], AbstractContextManager[DBAPICursor]]
    close: Callable[[], None]  # both hold nothing any more

    def dispose(self) -> None:
        """All connections that are not in use are closed."""
        self.close()
        self.reader.dispose()
        self.writer.dispose()
