"""A conversation at the terminal: what a line stands for, and what is shown beside it."""

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from serving import CARD_SUPPORT, checked, policy_folder, scripted_agent, server, suggest

from charter.engine.local.chat import chat
from charter.engine.local.script import start_request

COLLECTING = (
    CARD_SUPPORT.replace("rule silent     on silence or keys   do say say_again", "")
    + """
fact year: int 1900..2026?
rule ask_year on silence or keys       do say say_again  collect year
rule got_year on collected year        do set year = its value  say opening_hours
rule no_year  on collect year fails    do say how_can_i_help
"""
)


async def held(tmp_path: Path, *typed: str, text: str = CARD_SUPPORT, intent: str = "opening_hours") -> list[str]:
    """What was shown while these lines were typed."""

    async def lines() -> AsyncIterator[str]:
        for line in typed:
            yield f"{line}\n"

    shown: list[str] = []
    program = checked(tmp_path / "policy", text)
    async with (
        scripted_agent(tmp_path, suggest(intent, "0.93")) as agent,
        server(program, tmp_path / "charter.db", {"classify": agent}) as up,
    ):
        start = start_request(program.name, channel="chat", language="en")
        await chat(program, up.stub, start, lines(), shown.append)
    return [line.strip() for line in shown]


async def test_a_line_is_said_and_answered_with_its_reasons(tmp_path: Path) -> None:
    shown = await held(tmp_path, "when are you open?")
    assert 'charter   discloses: "This call is recorded."' in shown
    assert any(line.startswith("classify: intent opening_hours, confidence 0.93") for line in shown)
    assert any(line.startswith("rule hours  policy.charter:") and "→ say opening_hours" in line for line in shown)
    assert 'charter   says: "We are open from 9 to 5."' in shown


async def test_a_line_after_a_slash_is_an_event_and_a_bad_one_is_told(tmp_path: Path) -> None:
    shown = await held(tmp_path, "/silence", "/dance", "", "/hangup", "never read")
    assert 'charter   says: "Could you say it again?"' in shown
    assert any(line.startswith("`dance` is no event; try silence") for line in shown)
    assert shown[-1] == "(the conversation is over)"


async def test_a_value_that_is_waited_for_is_given_by_the_next_line(tmp_path: Path) -> None:
    shown = await held(tmp_path, "/silence", "last year", "1800", "1970", text=COLLECTING)
    assert "(year)" in shown
    assert any(line.startswith("year: ") for line in shown)
    assert 'charter   says: "We are open from 9 to 5."' in shown


async def test_words_can_be_said_where_a_value_is_waited_for(tmp_path: Path) -> None:
    shown = await held(tmp_path, "/silence", "/say when are you open?", "/collect year fails", text=COLLECTING)
    assert 'charter   says: "We are open from 9 to 5."' in shown
    assert 'charter   says: "How can I help?"' in shown


async def test_a_value_can_be_given_later(tmp_path: Path) -> None:
    typed = ("/silence", "/say when are you open?", "/give", "/give month 1", "/give year", "/give year 1970")
    shown = await held(tmp_path, *typed, text=COLLECTING)
    assert any(line.startswith("`give` is no event") for line in shown)
    assert "the policy collects no `month`" in shown
    assert any(line.startswith("year: ") for line in shown)
    assert shown.count('charter   says: "We are open from 9 to 5."') == 2


async def test_who_takes_over_is_asked_for_and_bytes_that_are_no_words_are_told(tmp_path: Path) -> None:
    shown = await held(tmp_path, "\udcff", "it is gone", "/escalated card_desk", intent="lost_card")
    assert "this line is not in UTF-8" in shown
    assert "(/escalated card_desk, or /escalate card_desk fails)" in shown
    assert shown[-1] == "(the conversation is over)"


async def test_what_the_server_refuses_is_told_and_the_conversation_goes_on(tmp_path: Path) -> None:
    shown = await held(tmp_path, "/escalated general", "/quit")
    assert any(line.startswith("refused   FAILED_PRECONDITION") for line in shown)


SCRIPT = """
[processes]
double = ["scripted", "--script", "classify.jsonl"]
[agents]
classify = "double"
[[conversation]]
about = "one"
channel = "chat"
language = "en"
expect = []
turn = []
"""


@pytest.mark.parametrize(("key", "code"), [(b"\x03", 130), (b"\x04", 0)], ids=["Ctrl-C", "Ctrl-D"])
def test_a_key_ends_it_at_a_terminal(tmp_path: Path, key: bytes, code: int) -> None:
    folder = policy_folder(tmp_path / "policy")
    (folder / "classify.jsonl").write_text(suggest("opening_hours", "0.93"), "utf-8")
    (folder / "conversations.toml").write_text(SCRIPT, "utf-8")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "charter", "chat", str(folder), "--work", str(tmp_path / "var")]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        _read_until(ours, b"> ")
        os.write(ours, b"when are you open?\n")
        assert b"We are open from 9 to 5." in _read_until(ours, b"> ")
        if key == b"\x03":  # as a terminal does it, to all of them
            os.killpg(process.pid, signal.SIGINT)
        else:
            os.write(ours, key)
        assert process.wait(timeout=15) == code
    finally:
        process.kill()
        os.close(ours)


def _read_until(file: int, end: bytes) -> bytes:
    seen = b""
    while not seen.endswith(end):
        assert select.select([file], [], [], 60)[0], seen
        seen += os.read(file, 65536)
    return seen
