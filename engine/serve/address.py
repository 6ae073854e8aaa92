"""The address of a server, had for it alone: its processes, and the listeners of each, share it among themselves."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from charter.agents.provider import AddressUnavailable, host_and_port


@contextmanager
def reserved(listen: str) -> Iterator[str]:
    """The address with the port that was taken; as long as this lasts, only listeners that share can have it.

    Raises `AddressUnavailable`.
    """
    host, port = host_and_port(listen)
    try:
        held = _held(host.strip("[]"), port)
    except OSError as error:
        raise AddressUnavailable(f"cannot listen on {listen}: {error}") from error
    with held:
        yield f"{host}:{held.getsockname()[1]}"


def _held(host: str, port: int) -> socket.socket:
    with ExitStack() as closing:
        held = closing.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past connections of a server that was alone
        held.bind((host, port))  # where anybody else has it, this fails
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # nobody else has it from now on
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # but who shares
        closing.pop_all()
    return held
