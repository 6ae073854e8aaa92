"""`charter.toml` is read as it is written, and what is wrong in it is named with its line."""

from pathlib import Path

import pytest

from charter.engine.breaker import BreakerRule
from charter.engine.deployment import AgentAt, BadDeployment, Deployment, Limits, read_deployment


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
[limits]
requests = 50
turn_ms = 2500
""",
    )
    assert read_deployment(path) == Deployment(
        agents={"classify": AgentAt("127.0.0.1:7001"), "spare": AgentAt("[::1]:7002", BreakerRule(5, 30), 80)},
        tools={"*": "127.0.0.1:7003", "find_account": "127.0.0.1:7004"},
        store=f"sqlite:///{tmp_path}/data/charter.db",
        key_file=tmp_path / "secret/audit.key",
        certificate=tmp_path / "proofs/certificate.json",
        limits=Limits(requests=50, turn_ms=2500),
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
        (
            '[stores]\nurl = "x"',
            ":1: unknown key `stores`; there are `agents`, `audit`, `limits`, `proof`, `store`, `tools`",
        ),
        ('store = "sqlite:///x.db"', ":1: `store` must be a table: write [store]"),
        ("[store]\nurl = ", ":2: Invalid value (at end of document)"),
        ("[store]\nurl = x\n", ":2: Invalid value (at line 2, column 7)"),
        ('[agents.a]\naddress = "a:1"\n[agents.b]\naddress = 7001', ":4: `address` in [agents.b] must be a text"),
        ('[agents.a]\naddress = "a:1"\n[tools.a]\naddress = "a:1"\nhedge_ms = 1', ":5: unknown key `hedge_ms`"),
        ('[agents.a]\naddress = "a:1"\n[ tools . "a" ]', ":3: [tools.a] has no `address`"),
        ('[agents.a]\naddress = "a:1"\n[agents.b]\n"address" = "a:0" # a:1', ":4: `a:0` is no address of agent `b`"),
        (
            '[agents]\na.address = "a:1"\na.hedge_ms = "no"',
            ":3: `hedge_ms` in [agents.a] must be a whole number above 0",
        ),
        ('# hedge_ms\nagents = {a = {address = "a:1", hedge_ms = true}}', ":2: `hedge_ms` in [agents.a] must be"),
        ('[agents.a]\naddress = "a:1"\n[agents.a.breaker]\nfailures = 1\nseconds = 0', ":5: `seconds` in"),
        ('[tools."*"]\naddress = "bank:65536"', ":2: `bank:65536` is no address of tool `*`; there is no port 65536"),
        ('[audit]\n[store]\nurl = "sqlite:///"', ":3: `sqlite:///` is no store; write sqlite:///var/charter.db"),
        ('[store]\nurl = "postgresql://x"', ":2: `postgresql://x` is no store; write sqlite:///var/charter.db"),
        ("[limits]\nrequests = 0", ":2: `requests` in [limits] must be a whole number above 0"),
        ("[limits]\nstreams = 10\nturn_ms = 60000", ":3: `turn_ms` in [limits] must be 500 to 10000"),
        ("[limits]\nrequest_bytes = 1000", ":2: `request_bytes` in [limits] must be 65536 to 4194304"),
        (
            "[limits]\nturns = 5",
            ":2: unknown key `turns` in [limits]; there are `request_bytes`, `requests`, `streams`",
        ),
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


def test_a_file_that_is_no_text_is_named_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "charter.toml").write_bytes(b'[store]\nurl = "\xff"\n')
    found = read_deployment(tmp_path / "charter.toml")
    assert found == BadDeployment((f"{tmp_path / 'charter.toml'}:2: the file is not UTF-8",))


def test_the_documented_file_is_read_and_says_the_defaults(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text("utf-8")
    found = read_deployment(written(tmp_path, page.partition("```toml\n")[2].partition("```")[0]))
    assert isinstance(found, Deployment), found
    assert found.limits == Limits()
    assert found.agents == {"classify": AgentAt("127.0.0.1:7001", BreakerRule(5, 30), 150)}
    for key in ("request_bytes", "requests", "streams", "turn_ms"):
        assert f"| `{key}` | {getattr(Limits(), key)} |" in page
