"""The commands that start everything on this machine: `demo`, `chat`, `play`."""

import asyncio
import os
import select
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import click

from charter.dsl.program import Program
from charter.engine.command_line import FOLDER, Mistake, program_of
from charter.engine.local.chat import chat
from charter.engine.local.child import DidNotStart
from charter.engine.local.demo import demo
from charter.engine.local.running import Running, missing_models, running, verified
from charter.engine.local.script import CHANNELS, Cast, InvalidScript, Script, read_script, start_request
from charter.engine.local.utterances import (
    InvalidUtterances,
    Line,
    play_utterances,
    read_lines,
    read_meanings,
    spread,
    summary,
    write_agent_data,
)
from charter.engine.replay import Same, replay_store
from charter.engine.store.sql_store import open_reader

T = TypeVar("T")

SCRIPT_NAME = "conversations.toml"

_LOOK_SECONDS = 0.2  # for so long at most, Ctrl-C waits

_PATH = click.Path(path_type=Path)
_SCRIPT = click.option("--script", type=_PATH, help=f"[default: {SCRIPT_NAME} in the policy's folder]")
_WORK = click.option("--work", type=_PATH, default=Path("var"), show_default=True, help="Where stores and logs go.")
_LANGUAGE = click.option("--language", help="[default: the policy's first]")


@click.command("demo")
@FOLDER
@_SCRIPT
@_WORK
def demo_command(folder: Path, script: Path | None, work: Path) -> None:
    """Starts agents, tools and a server for the policy in POLICY_DIR, and plays its conversations through them."""
    if not asyncio.run(demo(folder, _script(folder, script, program_of(folder)), work, click.echo)):
        raise SystemExit(1)


@click.command("chat")
@FOLDER
@_SCRIPT
@_WORK
@_LANGUAGE
@click.option("--channel", type=click.Choice(sorted(CHANNELS)), default="voice", show_default=True)
@click.option("--caller", default="", help="Who calls, as the platform would know it.")
def chat_command(
    folder: Path, script: Path | None, work: Path, language: str | None, channel: str, caller: str
) -> None:
    """Starts agents, tools and a server for the policy in POLICY_DIR, and holds a conversation at the terminal."""
    program = program_of(folder)
    start = start_request(program.name, channel=channel, language=_language(program, language), caller=caller)

    async def hold(up: Running) -> None:
        await chat(program, up.stub, start, _typed(), click.echo)

    _run(folder, _script(folder, script, program).cast, work, hold)


@click.command("play")
@FOLDER
@click.option("--utterances", required=True, type=_PATH, help="CSV: text[,category]. A conversation each.")
@click.option("--agent-data", type=_PATH, help="CSV: text,category. The intent agent learns from it, not the policy's.")
@click.option("--agent-most", type=click.IntRange(1), help="Learn from so many of them, evenly from the file.")
@click.option("--intents", type=_PATH, help="CSV: category,intent. Which intent a category is.  [default: itself]")
@click.option("--most", type=click.IntRange(1), help="Play so many of the utterances, evenly from the file.")
@click.option("--at-once", type=click.IntRange(1, 256), default=8, show_default=True, help="Conversations at a time.")
@_SCRIPT
@_WORK
@_LANGUAGE
def play_command(
    folder: Path,
    utterances: Path,
    agent_data: Path | None,
    agent_most: int | None,
    intents: Path | None,
    most: int | None,
    at_once: int,
    script: Path | None,
    work: Path,
    language: str | None,
) -> None:
    """Says each line of a file in a conversation of its own, and counts what the policy in POLICY_DIR decides.

    Exits 1 where one is not answered, the audit log does not verify, or a conversation is decided otherwise again.
    """
    program = program_of(folder)
    speaking, cast = _language(program, language), _script(folder, script, program).cast
    agent = next((name for name, process in cast.agents.items() if cast.processes[process][0] == "intent"), "")
    try:
        meanings = read_meanings(intents) if intents else {}
        lines = spread(read_lines(utterances, meanings), most)
        if agent_data:
            cast = _learning_from(spread(read_lines(agent_data, meanings), agent_most), cast, agent, speaking, work)
    except InvalidUtterances as error:
        raise Mistake(str(error)) from error
    except OSError as error:
        raise Mistake(f"{work}: {error.strerror}") from error

    async def hold(up: Running) -> bool:
        played = await play_utterances(up.stub, program.name, speaking, agent, lines, at_once=at_once)
        for line in summary(played):
            click.echo(line)
        return all(one.answered for one in played)

    answered, up = _run(folder, cast, work, hold)
    if not (_verified(up) and _replayed(program, up.store, len(lines)) and answered):
        raise SystemExit(1)


def _run(
    folder: Path, cast: Cast, work: Path, hold: Callable[[Running], Coroutine[None, None, T]]
) -> tuple[T, Running]:
    """What `hold` returned, while the policy was up and running."""
    if missing := missing_models(cast):
        raise Mistake(missing)

    async def run() -> tuple[T, Running]:
        async with running(folder, cast, work, click.echo) as up:
            return await hold(up), up

    try:
        return asyncio.run(run())
    except DidNotStart as error:
        raise Mistake(f"it did not start:\n{error}") from error


def _learning_from(lines: list[Line], cast: Cast, agent: str, language: str, work: Path) -> Cast:
    """The cast, its intent agent learning from these lines."""
    if not agent:
        raise Mistake("the script has no intent agent that could learn")
    work.mkdir(parents=True, exist_ok=True)
    data = (work / "agent-data.csv").absolute()
    count = write_agent_data(lines, language, data)
    click.echo(f"`{agent}` learns from {count} utterances")
    process = cast.agents[agent]
    command = list(cast.processes[process])
    command[command.index("--data") + 1] = str(data)
    return replace(cast, processes={**cast.processes, process: tuple(command)})


def _verified(up: Running) -> bool:
    report = up.verified()
    click.echo(verified(report))
    return report.intact


def _replayed(program: Program, store: str, expected: int) -> bool:
    engine = open_reader(store)
    try:
        replayed = list(replay_store(program, engine))
    finally:
        engine.dispose()
    same = sum(isinstance(one, Same) for one in replayed)
    click.echo(f"replayed: {same} of {expected} conversations as recorded")
    return same == expected == len(replayed)


def _script(folder: Path, script: Path | None, program: Program) -> Script:
    try:
        return read_script(script or folder / SCRIPT_NAME, program)
    except InvalidScript as error:
        raise Mistake(str(error)) from error


def _language(program: Program, language: str | None) -> str:
    speaking = language or program.languages[0]
    if speaking not in program.languages:
        raise Mistake(f"the policy speaks {', '.join(program.languages)}")
    return speaking


async def _typed() -> AsyncIterator[str]:
    """The lines of standard input. No thread is left in a read, so that Ctrl-C ends the command at once."""
    source, rest, more = sys.stdin.fileno(), b"", True
    prompt, left = ("> ", "\n") if sys.stdin.isatty() else ("", "")
    while more:
        click.echo(prompt, nl=False)
        while not (await asyncio.to_thread(select.select, [source], [], [], _LOOK_SECONDS))[0]:
            pass
        more = bool(read := os.read(source, 65536))
        *lines, rest = (rest + read).split(b"\n") if more else (rest, b"")
        for line in filter(None, lines):
            yield line.decode("utf-8", "surrogateescape")
    click.echo(left, nl=False)
