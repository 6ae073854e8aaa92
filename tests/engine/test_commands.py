"""The engine's commands: what they print, and how they exit."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from serving import CARD_SUPPORT, KEY, Caller, HeldAgents, checked, policy_folder, ports, stored, suggested
from sqlalchemy import create_engine, text

from charter.cli import main
from charter.engine.conversation.conversations import Conversations
from charter.engine.decide import Decider
from charter.engine.rule_kernel import RuleKernel
from charter.engine.store import create_key


def charter(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of a store with one conversation, its key beside it, the policy in `policy`."""
    program = checked(tmp_path / "policy")

    async def hold() -> None:
        async with stored(tmp_path / "charter.db") as store:
            agents = HeldAgents()
            decides = Decider(program, RuleKernel(program), lambda: RuleKernel(program))
            caller = Caller(Conversations(ports(program, decides, agents, store)))
            await caller.start()
            agents.answer(1, suggested("opening_hours", 9000))
            await caller.send("utterance", text="When are you open?")

    asyncio.run(hold())
    key = tmp_path / "charter.key"
    key.write_bytes(KEY)
    key.chmod(0o600)
    return f"sqlite:///{tmp_path / 'charter.db'}"


def test_a_policy_that_cannot_be_read_is_told_with_its_line_and_exits_2(tmp_path: Path) -> None:
    folder = policy_folder(tmp_path / "policy", CARD_SUPPORT.replace("do ask classify", "do ask clasify"))
    result = charter("serve", folder)
    assert result.exit_code == 2
    assert "policy.charter:" in result.stderr
    assert "did you mean `classify`?" in result.stderr


def test_a_deployment_that_cannot_be_read_exits_2(tmp_path: Path) -> None:
    folder = policy_folder(tmp_path / "policy")
    (folder / "charter.toml").write_text('[agent.classify]\naddress = "a:1"\n', "utf-8")
    result = charter("serve", folder)
    assert result.exit_code == 2
    assert "charter.toml:1: unknown key `agent`" in result.stderr


@pytest.mark.parametrize("store", ["postgresql://somewhere", "sqlite:///", "sqlite:///.", "sqlite:////tmp/"])
def test_a_store_that_is_none_exits_2(tmp_path: Path, store: str) -> None:
    policy = policy_folder(tmp_path / "policy")
    for command in (["serve", policy, "--allow-unproved"], ["replay", policy], ["audit", "verify"]):
        result = charter(*command, "--store", store)
        assert result.exit_code == 2
        assert f"Error: `{store}` is no store; try sqlite:///var/charter.db" in result.stderr


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    file = tmp_path / "no store.db"
    file.write_bytes(b"no database" * 100)
    create_key(tmp_path / "no store.key")
    policy = policy_folder(tmp_path / "policy")
    for command in (["audit", "verify"], ["replay", policy]):
        result = charter(*command, "--store", f"sqlite:///{file}")
        assert (result.exit_code, result.stderr) == (2, f"Error: {file}: file is not a database\n")


def test_a_store_below_a_file_exits_2(tmp_path: Path) -> None:
    policy = policy_folder(tmp_path / "policy")
    store = f"sqlite:///{policy / 'policy.charter' / 'x.db'}"
    result = charter("serve", policy, "--allow-unproved", "--store", store)
    assert result.exit_code == 2
    assert f"Error: {policy / 'policy.charter'}: " in result.stderr


@pytest.mark.parametrize(
    ("listen", "complaint"),
    [
        ("256.0.0.1:1", "cannot listen on 256.0.0.1:1"),
        ("127.0.0.1:70000", "`127.0.0.1:70000` is not an address such as 127.0.0.1:0"),
        ("localhost", "`localhost` is not an address such as 127.0.0.1:0"),
    ],
)
def test_an_address_that_cannot_be_had_exits_2(tmp_path: Path, listen: str, complaint: str) -> None:
    folder = policy_folder(tmp_path / "policy")
    store = f"sqlite:///{tmp_path / 'x.db'}"
    result = charter("serve", folder, "--allow-unproved", "--store", store, "--listen", listen)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_an_intact_log_verifies(store: str) -> None:
    result = charter("audit", "verify", "--store", store)
    assert (result.exit_code, result.stdout) == (0, "audit chain verified: 1 conversations, 3 records\n")


def test_a_changed_log_is_told_and_exits_1(store: str) -> None:
    engine = create_engine(store)
    with engine.begin() as connection:
        connection.execute(text("UPDATE records SET at = at + 1 WHERE sequence = 2"))
    engine.dispose()
    result = charter("audit", "verify", "--store", store)
    assert result.exit_code == 1
    assert "record 2: the record was changed" in result.stdout


def test_stored_conversations_are_decided_again_as_they_were(store: str, tmp_path: Path) -> None:
    result = charter("replay", tmp_path / "policy", "--store", store)
    assert (result.exit_code, result.stdout) == (0, "1 conversations as recorded, 0 otherwise, 0 unclear\n")


def test_the_first_decision_that_another_policy_would_take_is_shown(store: str, tmp_path: Path) -> None:
    other = policy_folder(tmp_path / "other", CARD_SUPPORT.replace(">= 0.55", ">= 0.95"))
    result = charter("replay", other, "--store", store)
    assert result.exit_code == 1
    assert "record 3" in result.stdout
    assert "recorded: `classify` fires hours: say opening_hours" in result.stdout
    assert "decided:  `classify` fires unclear: say say_again" in result.stdout


BY_HAND = {
    "a record": ("UPDATE records SET at = at + 1 WHERE sequence = 2", "record 2: the record was changed"),
    "a body": ("UPDATE records SET body = '{}' WHERE sequence = 2", "record 2: the record was changed"),
    "an empty state": ("UPDATE conversations SET state = '{}'", "record -: the conversation's row was changed"),
    "a state that is no object": ("UPDATE conversations SET state = 7", "record -: the conversation's row was changed"),
    "another policy": ("UPDATE conversations SET policy = 'x'", "record -: the conversation's row was changed"),
    "the whole conversation": ("DELETE FROM conversations", "record -: the conversation was removed"),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_what_was_changed_by_hand_is_told_by_its_conversation_and_not_decided_again(
    store: str, tmp_path: Path, case: str
) -> None:
    statement, told = BY_HAND[case]
    conversation = changed(store, "PRAGMA foreign_keys = OFF", statement)
    result = charter("replay", tmp_path / "policy", "--store", store)
    assert (result.exit_code, result.stderr) == (1, "")
    assert f"  conversation {conversation}, {told}\n" in result.stdout
    assert "0 conversations as recorded, 0 otherwise, 0 unclear" in result.stdout


@pytest.mark.parametrize("statement", ["DELETE FROM log", "DELETE FROM head"])
def test_nothing_is_decided_again_where_the_log_as_a_whole_was_changed(
    store: str, tmp_path: Path, statement: str
) -> None:
    changed(store, statement, "UPDATE conversations SET state = '{}'")
    result = charter("replay", tmp_path / "policy", "--store", store)
    assert (result.exit_code, result.stderr) == (1, "")
    assert "the log over all conversations, or its head, was changed" in result.stdout
    assert "as recorded" not in result.stdout


def test_a_store_whose_key_is_gone_is_not_served_and_gets_no_other_key(store: str, tmp_path: Path) -> None:
    key = tmp_path / "charter.key"
    key.unlink()
    result = charter("serve", tmp_path / "policy", "--store", store, "--allow-unproved")
    assert (result.exit_code, result.output.splitlines()[-1]) == (2, f"Error: {key}: No such file or directory")
    assert not key.exists()


def test_the_key_of_another_store_decides_nothing_again(store: str, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    create_key(other)
    result = charter("replay", tmp_path / "policy", "--store", store, "--key", other)
    assert (result.exit_code, result.stderr) == (1, "")
    assert "the key is not the one the store was written with" in result.stdout


def changed(store: str, *statements: str) -> str:
    """The conversation of the store, after these changes by hand."""
    engine = create_engine(store)
    with engine.connect() as connection:
        (conversation,) = connection.execute(text("SELECT DISTINCT conversation FROM records")).scalars().all()
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()
    engine.dispose()
    return str(conversation)


def test_a_missing_store_exits_2(tmp_path: Path) -> None:
    policy = policy_folder(tmp_path / "policy")
    assert charter("audit", "verify", "--store", f"sqlite:///{tmp_path / 'none.db'}").exit_code == 2
    assert charter("replay", policy, "--store", f"sqlite:///{tmp_path / 'none.db'}").exit_code == 2
