"""`charter.toml` is read as it is written, and what is wrong in it is named with its line."""

from pathlib import Path

import pytest

from charter.engine.breaker import BreakerRule
from charter.engine.deployment import AgentAt, BadDeployment, Deployment, read_deployment


def written(folder: Path, text: str) -> Path:
    path = folder / "charter.toml"
    path.write_text(text, "utf-8")
    return path


def test_agents_store_and_key_are_found_relative_to_the_file(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
[agents.classify]
address = "127.0.0.1:7001"
[agents.spare]
address = "[::1]:7002"
breaker = {failures = 5, seconds = 30}
hedge_ms = 80
[tools."*"]
address = "127.0.0.1:7003"
[tools.find_account]
address = "127.0.0.1:7004"
[store]
url = "sqlite:///data/charter.db"
[audit]
key_file = "secret/audit.key"
[proof]
certificate = "proofs/certificate.json"
""",
    )
    assert read_deployment(path) == Deployment(
        agents={"classify": AgentAt("127.0.0.1:7001"), "spare": AgentAt("[::1]:7002", BreakerRule(5, 30), 80)},
        tools={"*": "127.0.0.1:7003", "find_account": "127.0.0.1:7004"},
        store=f"sqlite:///{tmp_path}/data/charter.db",
        key_file=tmp_path / "secret/audit.key",
        certificate=tmp_path / "proofs/certificate.json",
    )


def test_an_empty_file_leaves_everything_to_the_defaults(tmp_path: Path) -> None:
    assert read_deployment(written(tmp_path, "")) == Deployment()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            '[agents.classify]\naddres = "a:1"',
            ":2: unknown key `addres` in [agents.classify]; there are `address`, `breaker`, `hedge_ms`",
        ),
        ("[agents.classify]", ":1: [agents.classify] has no `address`"),
        ('\n[agents.classify]\naddress = "nowhere"', ":3: `nowhere` is no address of agent `classify`"),
        (
            '[agents.a]\naddress = "a:1"\nbreaker = {failures = 5}',
            ":3: a breaker of [agents.a] has both: {failures = 5, seconds = 30}",
        ),
        ('[agents.a]\naddress = "a:1"\nhedge_ms = 0', ":3: `hedge_ms` in [agents.a] must be a whole number above 0"),
        ('[tools.a]\naddress = "bank"', ":2: `bank` is no address of tool `a`"),
        ("[agents.classify]\naddress = 7001", ":2: `address` in [agents.classify] must be a text"),
        ('[stores]\nurl = "x"', ":1: unknown key `stores`; there are `agents`, `audit`, `proof`, `store`, `tools`"),
        ('store = "sqlite:///x.db"', ":1: `store` must be a table: write [store]"),
        ("[store]\nurl = ", ": Invalid value (at end of document)"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = written(tmp_path, text)
    found = read_deployment(path)
    assert isinstance(found, BadDeployment)
    assert any(one.startswith(f"{path}{complaint}") for one in found.complaints), found.complaints


def test_every_mistake_of_a_file_is_named(tmp_path: Path) -> None:
    found = read_deployment(written(tmp_path, "[store]\nuri = 1\n[audit]\nkey = 2"))
    assert isinstance(found, BadDeployment)
    assert len(found.complaints) == 2


def test_a_missing_file_is_a_complaint(tmp_path: Path) -> None:
    found = read_deployment(tmp_path / "none.toml")
    assert isinstance(found, BadDeployment)
