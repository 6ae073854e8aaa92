"""The commands of the engine: `serve`, `demo`, `audit verify`, `replay`. Each is mounted by the command line."""

import asyncio
import logging
import signal
import sys
from collections import Counter
from pathlib import Path

import click

from charter.dsl.load import Rejected, load
from charter.dsl.program import Program
from charter.engine.audit import verify
from charter.engine.decide import decider
from charter.engine.demo import demo, verified
from charter.engine.deployment import DEFAULT_STORE, FILE_NAME, BadDeployment, Deployment, read_deployment
from charter.engine.replay import Different, Same, Unclear, replay_store
from charter.engine.replica import TooMany
from charter.engine.rule_kernel import KernelFault
from charter.engine.script import InvalidScript, read_script
from charter.engine.server import CannotServe, Settings, serve, unserved
from charter.engine.store import StoreError, read_key, read_or_create_key
from charter.engine.store.sql_store import open_reader

SCRIPT_NAME = "conversations.toml"
_SQLITE = "sqlite:///"

_FOLDER = click.argument("folder", metavar="POLICY_DIR", type=click.Path(path_type=Path))
_STORE = click.option("--store", metavar="URL", help=f"Where conversations are stored.  [default: {DEFAULT_STORE}]")
_CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), help=f"The deployment.  [default: {FILE_NAME} in the policy's folder]"
)


class Mistake(click.ClickException):
    """What the caller can mend."""

    exit_code = 2


@click.command("serve")
@_FOLDER
@_CONFIG
@_STORE
@click.option("--listen", default="127.0.0.1:0", show_default=True, help="host:port; port 0 takes a free one.")
@click.option("--reflection", is_flag=True, help="Let clients ask for the contracts. Not for production.")
def serve_command(folder: Path, config: Path | None, store: str | None, listen: str, reflection: bool) -> None:
    """Serves conversations under the policy in POLICY_DIR, and prints `listening on HOST:PORT` when it can."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    program = _program(folder)
    if lacking := unserved(program):
        raise Mistake("\n".join(lacking))
    deployment = _deployment(folder, config)
    path = _store_path(store, deployment)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        settings = Settings(
            store=path,
            key=read_or_create_key(_key_file(path, deployment)),
            deployment=deployment,
            listen=listen,
            reflection=reflection,
        )
        _until_signalled(program, settings)
    except (StoreError, KernelFault, CannotServe, TooMany) as error:
        raise Mistake(str(error)) from error


def _until_signalled(program: Program, settings: Settings) -> None:
    decides = decider(program)

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(program, decides, settings, stop=stop, ready=_ready, warn=_warn)

    asyncio.run(run())


def _ready(address: str) -> None:
    click.echo(f"listening on {address}")
    sys.stdout.flush()


def _warn(what: str) -> None:
    click.echo(f"warning: {what}", err=True)


@click.command("demo")
@_FOLDER
@click.option("--script", type=click.Path(path_type=Path), help=f"[default: {SCRIPT_NAME} in the policy's folder]")
@click.option("--work", type=click.Path(path_type=Path), default=Path("var"), help="Where the store of the demo goes.")
def demo_command(folder: Path, script: Path | None, work: Path) -> None:
    """Starts the agents and a server for the policy in POLICY_DIR, and plays its conversations through them."""
    program = _program(folder)
    try:
        found = read_script(script or folder / SCRIPT_NAME, program.name)
    except InvalidScript as error:
        raise Mistake(str(error)) from error
    if not asyncio.run(demo(folder, found, work, click.echo)):
        raise SystemExit(1)


@click.group("audit")
def audit_command() -> None:
    """The audit log of a store."""


@audit_command.command("verify")
@_STORE
@click.option("--config", type=click.Path(path_type=Path), help="The deployment, for its store and key.")
@click.option("--key", type=click.Path(path_type=Path), help="The key file.  [default: beside the store]")
def verify_command(store: str | None, config: Path | None, key: Path | None) -> None:
    """Checks that the log still says what was written. Exits 1 where it does not, and says where."""
    deployment = _read(config) if config else Deployment()
    path = _store_path(store, deployment)
    try:
        report = verify(f"{_SQLITE}{path}", read_key(key or _key_file(path, deployment)))
    except StoreError as error:
        raise Mistake(str(error)) from error
    click.echo(verified(report))
    if not report.intact:
        raise SystemExit(1)


@click.command("replay")
@_FOLDER
@_CONFIG
@_STORE
def replay_command(folder: Path, config: Path | None, store: str | None) -> None:
    """Decides the stored conversations again under the policy in POLICY_DIR. Exits 1 where one comes out otherwise."""
    program = _program(folder)
    path = _store_path(store, _deployment(folder, config))
    counts: Counter[type] = Counter()
    try:
        engine = open_reader(f"{_SQLITE}{path}")
        for replayed in replay_store(program, engine):
            counts[type(replayed)] += 1
            match replayed:
                case Different(conversation, sequence, recorded, decided):
                    where = f"record {sequence}" if sequence else "at the end"
                    click.echo(f"{conversation}, {where}\n  recorded: {recorded}\n  decided:  {decided}")
                case Unclear(conversation, why):
                    click.echo(f"{conversation}: {why}")
                case Same():
                    pass
        engine.dispose()
    except StoreError as error:
        raise Mistake(str(error)) from error
    click.echo(f"{counts[Same]} conversations as recorded, {counts[Different]} otherwise, {counts[Unclear]} unclear")
    if counts[Different]:
        raise SystemExit(1)


def _program(folder: Path) -> Program:
    loaded = load(folder)
    if isinstance(loaded, Rejected):
        click.echo(str(loaded), err=True)
        raise SystemExit(2)
    return loaded.program


def _deployment(folder: Path, config: Path | None) -> Deployment:
    if config is not None:
        return _read(config)
    default = folder / FILE_NAME
    return _read(default) if default.exists() else Deployment()


def _read(path: Path) -> Deployment:
    match read_deployment(path):
        case BadDeployment(complaints):
            raise Mistake("\n".join(complaints))
        case Deployment() as deployment:
            return deployment


def _store_path(store: str | None, deployment: Deployment) -> Path:
    url = store or deployment.store or DEFAULT_STORE
    if not url.startswith(_SQLITE) or url == _SQLITE:
        raise Mistake(f"`{url}` is no store; try {DEFAULT_STORE}")
    return Path(url.removeprefix(_SQLITE))


def _key_file(store: Path, deployment: Deployment) -> Path:
    return deployment.key_file or store.with_suffix(".key")
