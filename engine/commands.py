"""The commands of the engine: `serve`, `audit verify`, `replay`, and those of `play_commands.py`."""

import asyncio
import gc
import logging
import signal
import sys
from collections import Counter
from pathlib import Path

import click

from charter.agents import event_loop
from charter.agents.provider import AddressUnavailable
from charter.dsl.program import Program
from charter.engine.audit import verify
from charter.engine.command_line import FOLDER as _FOLDER
from charter.engine.command_line import Mistake
from charter.engine.command_line import program_of as _program
from charter.engine.decide import decider
from charter.engine.deployment import DEFAULT_STORE, FILE_NAME, SQLITE, BadDeployment, Deployment, read_deployment
from charter.engine.local.play_commands import chat_command, demo_command, play_command
from charter.engine.local.running import verified
from charter.engine.replay import Different, Same, Unclear, replay_store
from charter.engine.rule_kernel import KernelFault
from charter.engine.serve.certified import CERTIFICATE_NAME, Certified, certified
from charter.engine.serve.replica import MOST, TooMany
from charter.engine.serve.server import Settings, serve
from charter.engine.serve.workers import CannotShare, serve_workers, stop_with_parent
from charter.engine.store import Key, StoreError, open_store, read_key, read_or_create_key
from charter.engine.store.sql_store import open_reader

__all__ = [
    "audit_command",
    "chat_command",
    "demo_command",
    "play_command",
    "replay_command",
    "serve_command",
]

_log = logging.getLogger(__name__)

_STORE = click.option("--store", metavar="URL", help=f"Where conversations are stored.  [default: {DEFAULT_STORE}]")
_KEY = click.option("--key", type=click.Path(path_type=Path), help="The key file.  [default: beside the store]")
_CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), help=f"The deployment.  [default: {FILE_NAME} in the policy's folder]"
)


@click.command("serve")
@_FOLDER
@_CONFIG
@_STORE
@click.option("--listen", default="127.0.0.1:0", show_default=True, help="host:port; port 0 takes a free one.")
@click.option("--reflection", is_flag=True, help="Let clients ask for the contracts. Not for production.")
@click.option("--workers", type=click.IntRange(1, MOST), default=1, show_default=True, help="Processes on one port.")
@click.option("--allow-unproved", is_flag=True, help="Serve a policy without a valid certificate. For development.")
@click.option("--shared", is_flag=True, hidden=True)  # this is one of several workers
@click.option("--certified", "checked", metavar="POLICY:CERTIFICATE", hidden=True)  # digests of what was checked
def serve_command(
    folder: Path,
    config: Path | None,
    store: str | None,
    listen: str,
    reflection: bool,
    workers: int,
    allow_unproved: bool,
    shared: bool,
    checked: str | None,
) -> None:
    """Serves conversations under the policy in POLICY_DIR, and prints `listening on HOST:PORT` when it can.

    The policy's certificate (`certificate.json` beside it, or what the deployment names) must show that it is proved.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    program = _program(folder)
    deployment = _deployment(folder, config)
    held = _still_proved(program, checked) if shared else _proved(folder, program, deployment, allow_unproved)
    path = _store_path(store, deployment)
    _make_folder(path.parent)
    try:
        settings = Settings(
            store=path,
            key=_key_of(path, _key_file(path, deployment)),
            deployment=deployment,
            listen=listen,
            reflection=reflection,
            shared=shared,
            certificate=held,
        )
        if workers == 1:
            _until_signalled(program, settings)
        else:
            arguments = ["serve", str(folder), "--store", f"{SQLITE}{path}", *(["--reflection"] * reflection)]
            arguments += ["--certified", f"{program.digest}:{held.sha256}"] if held else []
            _share([*arguments, *(["--config", str(config)] if config else [])], workers, settings)
    except (StoreError, KernelFault, AddressUnavailable, CannotShare, TooMany) as error:
        raise Mistake(str(error)) from error
    except ExceptionGroup as errors:
        if shares := errors.subgroup(CannotShare):
            raise Mistake(str(shares.exceptions[0])) from errors
        raise


def _proved(folder: Path, program: Program, deployment: Deployment, allow_unproved: bool) -> Certified | None:
    """The certificate of the policy; where it is not proved, and that is not allowed, nothing is served."""
    held = certified(program, deployment.certificate or folder / CERTIFICATE_NAME)
    if isinstance(held, Certified):
        return held
    if not allow_unproved:
        raise Mistake("\n".join(("the policy is not proved, so it is not served", *held)))
    for objection in ("THE POLICY IS NOT PROVED; it is served all the same", *held):
        _log.warning(objection)
    return None


def _still_proved(program: Program, checked: str | None) -> Certified | None:
    """What was checked when this worker was started; the policy must not be another one by now."""
    if checked is None:
        return None
    policy, _, certificate = checked.partition(":")
    if policy != program.digest:
        raise Mistake("the policy has changed since its certificate was checked")
    return Certified(certificate)


def _until_signalled(program: Program, settings: Settings) -> None:
    decides = decider(program)

    async def run() -> None:
        # What was made so far stays: to look through it again and again costs a twentieth of all decisions.
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 5, 5)
        stop = _stopped()
        if settings.shared:
            stop_with_parent(stop)
        await serve(program, decides, settings, stop=stop, ready=_ready, warn=_warn)

    event_loop.run(run())


def _share(arguments: list[str], workers: int, settings: Settings) -> None:
    """The store is made before the workers start, which would else all do so."""

    async def run() -> None:
        store = await asyncio.to_thread(open_store, f"{SQLITE}{settings.store}", settings.key)
        await store.close()
        await serve_workers(arguments, settings.listen, workers, stop=_stopped(), ready=_ready)

    asyncio.run(run())


def _stopped() -> asyncio.Event:
    """An event that a signal sets."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _ready(address: str) -> None:
    click.echo(f"listening on {address}")
    sys.stdout.flush()


def _warn(what: str) -> None:
    click.echo(f"warning: {what}", err=True)


@click.group("audit")
def audit_command() -> None:
    """The audit log of a store."""


@audit_command.command("verify")
@_STORE
@click.option("--config", type=click.Path(path_type=Path), help="The deployment, for its store and key.")
@_KEY
def verify_command(store: str | None, config: Path | None, key: Path | None) -> None:
    """Checks that the log still says what was written. Exits 1 where it does not, and says where."""
    deployment = _read(config) if config else Deployment()
    path = _store_path(store, deployment)
    try:
        report = verify(f"{SQLITE}{path}", read_key(key or _key_file(path, deployment)))
    except StoreError as error:
        raise Mistake(str(error)) from error
    click.echo(verified(report))
    if not report.intact:
        raise SystemExit(1)


@click.command("replay")
@_FOLDER
@_CONFIG
@_STORE
@_KEY
def replay_command(folder: Path, config: Path | None, store: str | None, key: Path | None) -> None:
    """Decides the stored conversations again under the policy in POLICY_DIR. Exits 1 where one comes out otherwise, or
    where the audit log no longer says what was written.
    """
    program = _program(folder)
    deployment = _deployment(folder, config)
    path = _store_path(store, deployment)
    counts: Counter[type] = Counter()
    try:
        engine = open_reader(f"{SQLITE}{path}")
        report = verify(engine, read_key(key or _key_file(path, deployment)))
        if not report.intact:
            click.echo(verified(report))
        altered = {broken.conversation for broken in report.breaks}
        if None in altered:
            raise SystemExit(1)  # the log as a whole is not what was written: no conversation of it can be relied on
        for replayed in replay_store(program, engine, altered):
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
    if counts[Different] or altered:
        raise SystemExit(1)


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
    path = Path(url.removeprefix(SQLITE))
    if not url.startswith(SQLITE) or path.is_dir():  # no path at all is the folder that the command runs in
        raise Mistake(f"`{url}` is no store; try {DEFAULT_STORE}")
    return path


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(f"{folder}: {error.strerror}") from error


def _key_of(store: Path, file: Path) -> Key:
    """The key of the store; only a store that is not there yet gets a new one."""
    return read_key(file) if store.exists() and store.stat().st_size else read_or_create_key(file)


def _key_file(store: Path, deployment: Deployment) -> Path:
    return deployment.key_file or store.with_suffix(".key")
