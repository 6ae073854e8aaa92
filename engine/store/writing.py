"""The process that `apart.py` starts: `python -m charter.engine.store.writing DESCRIPTOR`."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import time
from typing import Any

from .apart import Opening, message, received
from .database import Database
from .errors import Fault
from .group import write_group
from .sqlite import sqlite_database
from .writer import APART_SECONDS

_CHUNK = 1 << 18  # bytes


def main(connection: socket.socket) -> None:
    """Writes what comes, in groups like those of a `Writer`, until nothing can come any more."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they are for the server, which has more to write before it ends
        signal.signal(number, signal.SIG_IGN)
    data = bytearray()
    if came := _come(connection, data, 0.0):
        opening, *waiting = came
        try:
            database = sqlite_database(opening.path, opening.options, create=False)
        except Fault as fault:
            raise SystemExit(f"nothing can be written: {fault}") from fault
        with contextlib.suppress(ConnectionError):  # the server is gone
            _write(connection, data, database, opening, waiting)
        database.dispose()


def _write(
    connection: socket.socket, data: bytearray, database: Database, opening: Opening, waiting: list[Any]
) -> None:
    not_before = 0.0
    while waiting or (waiting := _come(connection, data, not_before)):
        began = time.monotonic()
        group, waiting = waiting[: opening.largest_group], waiting[opening.largest_group :]
        connection.sendall(message(write_group(database, opening.key, group)))
        not_before = began + APART_SECONDS if len(group) > 1 else 0.0


def _come(connection: socket.socket, data: bytearray, not_before: float) -> list[Any]:
    """What has come by this time, by the monotonic clock, or comes next; nothing where nothing can come any more."""
    found: list[Any] = []
    while not found and (chunk := connection.recv(_CHUNK)):
        if (early := not_before - time.monotonic()) > 0:
            time.sleep(early)
            with contextlib.suppress(BlockingIOError):
                chunk += connection.recv(_CHUNK, socket.MSG_DONTWAIT)
        data += chunk
        found = [one for some in received(data) for one in some]
    return found


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
