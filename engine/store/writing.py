"""The process that `apart.py` starts: `python -m charter.engine.store.writing DESCRIPTOR`."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from typing import Any

from .apart import Opening, message, received
from .database import Database
from .errors import Fault
from .group import write_group
from .sqlite import sqlite_database

_CHUNK = 1 << 18  # bytes


def main(connection: socket.socket) -> None:
    """Writes what comes, until nothing can come any more."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they are for the server, which has more to write before it ends
        signal.signal(number, signal.SIG_IGN)
    data = bytearray()
    if came := _come(connection, data):
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
    while waiting or (waiting := _come(connection, data)):
        group, waiting = waiting[: opening.largest_group], waiting[opening.largest_group :]
        connection.sendall(message(write_group(database, opening.key, group)))


def _come(connection: socket.socket, data: bytearray) -> list[Any]:
    """What comes next; nothing where nothing can come any more."""
    found: list[Any] = []
    while not found and (chunk := connection.recv(_CHUNK)):
        data += chunk
        found = [one for some in received(data) for one in some]
    return found


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
