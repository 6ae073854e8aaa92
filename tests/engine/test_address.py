"""The address that the processes of a server, and the listeners of each, share."""

import socket

import pytest

from charter.agents.provider import AddressUnavailable
from charter.engine.serve.address import reserved


def test_an_address_is_had_again_at_once_after_a_server_that_was_alone_hung_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server.accept()[0].close()  # who closes first waits for a minute
            assert client.recv(1) == b""
    with reserved(f"127.0.0.1:{port}") as address:
        assert address == f"127.0.0.1:{port}"


def test_an_address_at_which_somebody_listens_is_not_had() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        address = f"127.0.0.1:{port}"
        with pytest.raises(AddressUnavailable, match=f"cannot listen on {address}"), reserved(address):
            pass


def test_an_address_that_is_had_is_not_had_again_before_anybody_listens() -> None:
    with reserved("127.0.0.1:0") as address, pytest.raises(AddressUnavailable), reserved(address):
        pass


def test_who_shares_can_listen_at_an_address_that_is_had() -> None:
    with reserved("127.0.0.1:0") as address:
        port = int(address.rpartition(":")[2])
        one, two = (socket.create_server(("127.0.0.1", port), reuse_port=True) for _ in range(2))
        with one, two:
            assert one.getsockname() == two.getsockname()
