"""A policy up and running on this machine: its agents and tools, and a server, each a process of its own."""

import importlib.util
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from charter.engine.audit import AuditReport, verify
from charter.engine.local.child import DidNotStart, child
from charter.engine.local.script import Cast
from charter.engine.serve.certified import PROOF
from charter.engine.store import read_key
from charter.v1 import conversations_pb2_grpc

Print = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Running:
    """A server that can be called, the URL of its store, and the processes behind it, by name."""

    stub: conversations_pb2_grpc.ConversationsStub
    store: str
    key_file: Path
    processes: dict[str, AsyncExitStack]

    async def end(self, name: str) -> None:
        """The process has ended; it may have before."""
        await self.processes[name].aclose()

    def verified(self) -> AuditReport:
        """What became of the audit log."""
        return verify(self.store, read_key(self.key_file))


@asynccontextmanager
async def running(folder: Path, cast: Cast, work: Path, show: Print) -> AsyncIterator[Running]:
    """The policy in `folder` is served, with this cast; its store and logs are in a new folder within `work`.

    Raises `DidNotStart`. `show` is told what starts, and where.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
        here = Path(tempfile.mkdtemp(prefix=f"{folder.resolve().name}-", dir=work))
    except OSError as error:
        raise DidNotStart(f"{work}: {error.strerror}") from error
    store, key_file, config = here / "charter.db", here / "charter.key", here / "charter.toml"
    async with AsyncExitStack() as closing:
        addresses: dict[str, str] = {}
        processes: dict[str, AsyncExitStack] = {}
        for name, command in cast.processes.items():
            processes[name] = await closing.enter_async_context(AsyncExitStack())
            began = time.monotonic()
            starting = child(["charter.agents", *_with_paths(command, folder)], here / f"{name}.log", show)
            addresses[name] = await processes[name].enter_async_context(starting)
            show(f"{name} listens on {addresses[name]} after {time.monotonic() - began:.1f} s")
        config.write_text(_deployment(cast, addresses, key_file), "utf-8")
        serve = [
            "charter",
            "serve",
            str(folder),
            "--config",
            str(config),
            "--store",
            f"sqlite:///{store}",
            "--allow-unproved",
        ]
        address = await closing.enter_async_context(child(serve, here / "serve.log", show))
        show(f"charter serve {folder} listens on {address}; its store is {store}")
        channel = await closing.enter_async_context(grpc.aio.insecure_channel(address))
        proof = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=PROOF))
        proved = proof.status == health_pb2.HealthCheckResponse.SERVING
        show(
            f"the policy is {'proved: its certificate was checked' if proved else 'NOT PROVED: it has no certificate'}"
        )
        stub = conversations_pb2_grpc.ConversationsStub(channel)
        yield Running(stub, f"sqlite:///{store}", key_file, processes)


def missing_models(cast: Cast) -> str | None:
    """What has to be installed first; None where nothing has."""
    if not any(command[0] == "intent" for command in cast.processes.values()):
        return None
    absent = [name for name in ("torch", "sentence_transformers") if importlib.util.find_spec(name) is None]
    if not absent:
        return None
    return f"the intent agent needs {' and '.join(absent)}: install the extra `ml`, as in pip install -e '.[ml]'"


def verified(report: AuditReport) -> str:
    """The result of an audit verification, for people."""
    counts = f"{report.conversations} conversations, {report.records} records"
    if report.intact:
        return f"audit chain verified: {counts}"
    breaks = "\n".join(
        f"  conversation {broken.conversation or '-'}, record {broken.sequence or '-'}: {broken.what.value}"
        for broken in report.breaks
    )
    return f"audit chain BROKEN: {counts}\n{breaks}"


def _with_paths(command: tuple[str, ...], folder: Path) -> list[str]:
    """The command, its files taken from the policy's folder where they are there."""
    return [str(folder / word) if (folder / word).is_file() else word for word in command]


def _deployment(cast: Cast, addresses: dict[str, str], key_file: Path) -> str:
    tables = [
        f'[{kind}."{name}"]\naddress = "{addresses[process]}"\n'
        for kind, places in (("agents", cast.agents), ("tools", cast.tools))
        for name, process in places.items()
    ]
    return "".join([*tables, f'[audit]\nkey_file = "{key_file.absolute()}"\n'])
