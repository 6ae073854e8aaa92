"""The store on an SQL database: commits go through a thread or a process that writes, reads through a few threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, insert, make_url, select, update
from sqlalchemy.exc import ArgumentError

from .apart import Apart, Opening
from .chain import Key, Salt, first_head, key_check, seal
from .commit import (
    Commit,
    Committed,
    Conversation,
    ConversationId,
    Digest,
    Head,
    OutboxEntry,
    Record,
    Requested,
    RequestId,
    Status,
)
from .database import Database
from .errors import Closed, Fault, Unusable, WrongKey
from .group import write_group
from .migrate import migrate
from .read import find_request, list_due, list_open, list_outbox, list_records, load_conversation, read_head
from .sqlite import SqliteOptions, faults, sqlite_database, sqlite_reader
from .tables import head, log
from .writer import Writer

P = ParamSpec("P")
T = TypeVar("T")


def random_salt() -> bytes:
    """128 bits, so that a digest of a telephone number cannot be turned back by trying them all."""
    return os.urandom(16)


def open_store(
    url: str,
    key: Key,
    *,
    options: SqliteOptions | None = None,
    largest_group: int = 256,
    salt: Salt = random_salt,
    apart: bool = False,
) -> SqlStore:
    """The store at `sqlite:///path`, made or migrated where needed, and ready. `apart`: another process writes.

    A `Fault` says why it cannot be used; the database is then as it was.
    """
    path, options = _sqlite_path(url), options or SqliteOptions()
    database = sqlite_database(path, options)
    try:
        with faults(database.fault), database.writer.begin() as connection:
            migrate(connection, database.where)
            _claim(connection, database.where, key)
    except Fault:
        database.dispose()
        raise
    if apart:
        return SqlStore(database, key, Apart(Opening(path, options, key, largest_group)), salt)
    write = partial(write_group, database, key)
    return SqlStore(database, key, Writer(database.where, write, largest_group=largest_group), salt)


def open_reader(url: str) -> Engine:
    """An engine over the store at `sqlite:///path` that reads it and never writes it."""
    return sqlite_reader(_sqlite_path(url))


class SqlStore:
    """A `Store` over a database; closing it closes the database."""

    def __init__(self, database: Database, key: Key, writer: Writer | Apart, salt: Salt) -> None:
        self._database = database
        self._key = key
        self._salt = salt
        self._threads = ThreadPoolExecutor(database.readers, thread_name_prefix="charter-store-reader")
        self._writer = writer
        self._writer.start()

    async def commit(self, commit: Commit) -> Committed:
        """See `Store`."""
        return await self._writer.commit(seal(commit, self._salt))

    async def load(self, conversation: ConversationId) -> Conversation | None:
        """See `Store`."""
        return await self._read(load_conversation, conversation, self._key)

    async def records(
        self,
        conversation: ConversationId,
        request_id: RequestId | None = None,
        *,
        after: int = 0,
        limit: int | None = None,
    ) -> tuple[Record, ...]:
        """See `Store`."""
        return await self._read(list_records, conversation, request_id, after, limit)

    async def request(self, conversation: ConversationId, request_id: RequestId, body_digest: Digest) -> Requested:
        """See `Store`."""
        return await self._read(find_request, conversation, request_id, body_digest)

    async def open_conversations(self, now: int, *, limit: int = 100) -> tuple[Conversation, ...]:
        """See `Store`."""
        return await self._read(list_open, now, limit)

    async def outbox(
        self, status: Status = "pending", *, conversation: ConversationId | None = None, limit: int = 100
    ) -> tuple[OutboxEntry, ...]:
        """See `Store`."""
        return await self._read(list_outbox, status, conversation, limit)

    async def due(self, before: int, *, limit: int = 100) -> tuple[OutboxEntry, ...]:
        """See `Store`."""
        return await self._read(list_due, before, limit)

    async def head(self) -> Head:
        """See `Store`."""
        return await self._read(read_head)

    async def close(self) -> None:
        """See `Store`."""
        await self._writer.close()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._threads.shutdown()
        self._database.dispose()

    async def _read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            with faults(self._database.fault), self._database.reader.begin() as connection:
                return query(connection, *args, **kwargs)

        try:
            running = asyncio.get_running_loop().run_in_executor(self._threads, run)
        except RuntimeError as error:
            raise Closed(self._database.where, "the store is closed") from error
        return await running


def _claim(connection: Connection, where: str, key: Key) -> None:
    """The store has a head, it was made with this key, and it can be written."""
    found = connection.execute(select(head.c.key_check)).scalar_one_or_none()
    if found is None and connection.execute(select(log.c.position).limit(1)).first() is None:
        start = first_head(key)
        row = {"id": 1, "position": start.position, "mac": start.mac, "key_check": key_check(key)}
        connection.execute(insert(head), row)
    elif found is None:
        raise WrongKey(where, "the head of the log is gone")
    elif found != key_check(key):
        raise WrongKey(where, "the store was written with another key")
    connection.execute(update(head).values(id=head.c.id))  # a read-only database shows now, not at the first commit


def _sqlite_path(url: str) -> Path:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Unusable(url, "this is not the URL of a store; try sqlite:///charter.db") from error
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise Unusable(parsed.render_as_string(), "a store is a file: sqlite:///charter.db")
    return Path(parsed.database)
