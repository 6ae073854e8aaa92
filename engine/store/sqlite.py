"""SQLite, the embedded database: how it is opened so that what is committed is durable, and what its errors mean."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from .database import Database
from .errors import Corrupt, DiskFull, Fault, Locked, Missing, NotADatabase, ReadOnly, Unusable

_FAULTS: dict[int, type[Fault]] = {
    sqlite3.SQLITE_BUSY: Locked,
    sqlite3.SQLITE_LOCKED: Locked,
    sqlite3.SQLITE_FULL: DiskFull,
    sqlite3.SQLITE_READONLY: ReadOnly,
    sqlite3.SQLITE_NOTADB: NotADatabase,
    sqlite3.SQLITE_CORRUPT: Corrupt,
    sqlite3.SQLITE_CANTOPEN: Missing,
}


_BEGIN = "BEGIN IMMEDIATE"
_CHECKPOINT = 4000
"""Pages of the write-ahead log, 16 MiB, after which a commit also brings them into the database, and takes longer."""
_PREPARED = 256
"""Statements that a connection keeps prepared: those of `insert.py` differ in the number of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteOptions:
    """`busy_ms`: how long to wait for another process; `max_pages`: how far the file may grow, in pages."""

    busy_ms: int = 2000  # a caller has four seconds
    readers: int = 4
    max_pages: int | None = None


def sqlite_database(path: Path, options: SqliteOptions, *, create: bool = True) -> Database:
    """The database in `path`, made if it is missing, in WAL mode; a `Fault` where it cannot be used."""
    fault = partial(sqlite_fault, str(path))
    if create:
        _create(path)
    writer = _engine(path, _write_pragmas(options), _BEGIN, 1)
    writing = _Writing(path, writer, options.busy_ms)
    database = Database(
        where=str(path),
        writer=writer,
        reader=_engine(path, _read_pragmas(options), "BEGIN", options.readers),
        readers=options.readers,
        error=sqlite3.Error,
        fault=fault,
        turn=writing.turn,
        transaction=writing.transaction,
        close=writing.close,
    )
    try:
        with faults(fault):
            _require_wal(database)
    except Fault:
        database.dispose()
        raise
    return database


def sqlite_reader(path: Path) -> Engine:
    """Reads the database in `path` and never writes it; each transaction sees one moment."""
    if not path.exists():
        raise Missing(str(path), "there is no such file")
    return _engine(path, _read_pragmas(SqliteOptions()), "BEGIN", 1)


def sqlite_fault(where: str, error: BaseException) -> Fault:
    """The database's own error as a fault of the store."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # absent where Python raised it itself
        return _FAULTS.get(code & 0xFF, Unusable)(where, str(error))
    return Unusable(where, str(error))


@contextlib.contextmanager
def faults(fault: Callable[[BaseException], Fault]) -> Iterator[None]:
    """Inside, a database error is raised as the fault it means."""
    try:
        yield
    except DBAPIError as error:
        raise fault(error.orig or error) from error


def _create(path: Path) -> None:
    # The log holds personal data: the file, and with it the WAL, is closed to group and others. An existing file is
    # never opened here, since to close it would drop the locks that SQLite holds on it in this process.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise Missing(str(path), error.strerror or str(error)) from error


def _write_pragmas(options: SqliteOptions) -> tuple[str, ...]:
    limit = () if options.max_pages is None else (f"PRAGMA max_page_count={options.max_pages}",)
    return (
        f"PRAGMA busy_timeout={options.busy_ms}",
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        f"PRAGMA wal_autocheckpoint={_CHECKPOINT}",
        "PRAGMA foreign_keys=ON",
        "PRAGMA secure_delete=ON",  # what is erased is overwritten
        *limit,
    )


def _read_pragmas(options: SqliteOptions) -> tuple[str, ...]:
    return (f"PRAGMA busy_timeout={options.busy_ms}", "PRAGMA query_only=ON")


def _engine(path: Path, pragmas: tuple[str, ...], begin: str, connections: int) -> Engine:
    # mode=rw: a database that went away is an error, not a new and empty one.
    query = {"mode": "rw", "uri": "true"}
    url = URL.create("sqlite", database=f"file:{quote(str(path.absolute()))}", query=query)
    engine = create_engine(url, pool_size=connections, max_overflow=0, connect_args={"cached_statements": _PREPARED})

    def connected(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver's own BEGIN would come late and break savepoints
        for pragma in pragmas:
            connection.execute(pragma).close()

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


class _Writing:
    """The connection that this process writes over, and its turn among the processes that do.

    Both are held: to take a connection from a pool, and to open the locks, for each transaction would cost a fifth of a
    small one.
    """

    def __init__(self, path: Path, engine: Engine, busy_ms: int) -> None:
        self._path, self._inode = str(path), _inode(str(path))
        self._engine, self._busy_seconds = engine, busy_ms / 1000
        self._connection: PoolProxiedConnection | None = None
        self._locks: tuple[int, int] | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[DBAPICursor]:
        """Everything that is done inside is durable after it, or nothing."""
        if self._connection is None:
            self._connection = self._engine.raw_connection()
        try:
            cursor = self._connection.cursor()
            cursor.execute(_BEGIN)
            yield cursor
            cursor.execute("COMMIT")
        except BaseException:
            self._connection.rollback()
            raise

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """No other process that waits its turn writes inside, and the database is the file that was opened.

        SQLite lets writers wait by sleeping for longer and longer, up to a tenth of a second: of two busy processes one
        would starve. Whoever waits for the end of another's turn holds the door, so that nobody overtakes. Whoever has
        waited in vain goes on, and SQLite says whether it may write.
        """
        if _inode(self._path) != self._inode:  # what is written to a file that was moved away or removed is not kept
            raise Missing(self._path, "the file was moved or removed while it was in use")
        if self._locks is None:
            self._locks = _opened(f"{self._path}.door"), _opened(f"{self._path}.writer")
        door, writer = self._locks
        until = time.monotonic() + self._busy_seconds
        try:
            _wait_for(door, until)
            _wait_for(writer, until)
        finally:
            fcntl.flock(door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(writer, fcntl.LOCK_UN)

    def close(self) -> None:
        """What is held is given back."""
        if self._connection is not None:
            self._connection.close()
        for descriptor in self._locks or ():
            os.close(descriptor)
        self._connection = self._locks = None


def _opened(lock: str) -> int:
    return os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)


def _wait_for(lock: int, until: float) -> None:
    """The lock is this process's, or the time has come."""
    while time.monotonic() < until:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.0005)
        else:
            return


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None


def _require_wal(database: Database) -> None:
    with database.writer.connect(), database.reader.begin() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    if mode != "wal":
        raise Unusable(database.where, f"the file system allows no write-ahead log, only {mode}")
