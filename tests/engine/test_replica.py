"""A server has a name of its own while it runs, and whoever starts after it takes that name over."""

from pathlib import Path

from charter.engine.serve.replica import replica


def test_servers_that_run_together_have_different_names(tmp_path: Path) -> None:
    store = tmp_path / "charter.db"
    with replica(store) as one, replica(store) as other:
        assert one != other


def test_a_name_is_free_again_when_its_server_is_gone(tmp_path: Path) -> None:
    store = tmp_path / "charter.db"
    with replica(store) as gone:
        pass
    with replica(store) as next_one:
        assert next_one == gone


def test_stores_have_names_of_their_own(tmp_path: Path) -> None:
    with replica(tmp_path / "one.db") as one, replica(tmp_path / "other.db") as other:
        assert one == other
