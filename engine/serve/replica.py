"""Who a server is among those that share a store: a name that is its own as long as it runs, and comes back with it."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from charter.engine.store import Owner

MOST = 64
"""Servers on one machine that share one store."""


class TooMany(Exception):
    """No name is left."""


@contextmanager
def replica(store: Path) -> Iterator[Owner]:
    """The first name that no running process of this machine has for the store in this file.

    The operating system frees it with the process, however that ends. So leases under it are of processes that are
    gone, and whoever starts next may go on with what they left.
    """
    for number in range(MOST):
        descriptor = os.open(store.with_name(f"{store.name}.replica-{number}"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        try:
            yield Owner(f"{socket.gethostname()} {number}")
        finally:
            os.close(descriptor)
        return
    raise TooMany(f"{MOST} servers share {store} already")
