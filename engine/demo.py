"""The main job, from the outside: an agent, a server and a client, each its own process, and three conversations."""

import importlib.util
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import grpc.aio

from charter.engine.audit import AuditReport, verify
from charter.engine.child import DidNotStart, child
from charter.engine.play import play, summary
from charter.engine.script import Script
from charter.engine.store import read_key
from charter.v1 import conversations_pb2_grpc

Print = Callable[[str], None]


async def demo(folder: Path, script: Script, work: Path, show: Print) -> bool:
    """The script was played against the policy in `folder`; whether all was as expected, and the audit chain holds."""
    if missing := missing_models(script):
        show(missing)
        return False
    work.mkdir(parents=True, exist_ok=True)
    here = Path(tempfile.mkdtemp(prefix="demo-", dir=work))
    store, key, config = here / "charter.db", here / "charter.key", here / "charter.toml"
    try:
        async with AsyncExitStack() as processes:
            addresses: dict[str, str] = {}
            for name, command in script.agents.items():
                show(f"starting the agent `{name}` (the first time it learns from the policy's utterances)")
                began = time.monotonic()
                arguments = ["charter.agents", *_with_paths(command, folder)]
                log = here / f"{name}.log"
                addresses[name] = await processes.enter_async_context(child(arguments, log, show))
                show(f"  it listens on {addresses[name]} after {time.monotonic() - began:.1f} s")
            config.write_text(_deployment(addresses, key), "utf-8")
            show(f"starting `charter serve {folder}`")
            serve = ["charter", "serve", str(folder), "--config", str(config), "--store", f"sqlite:///{store}"]
            address = await processes.enter_async_context(child(serve, here / "serve.log", show))
            show(f"  it listens on {address}; its store is {store}")
            channel = await processes.enter_async_context(grpc.aio.insecure_channel(address))
            tally = await play(script, conversations_pb2_grpc.ConversationsStub(channel), show)
    except DidNotStart as error:
        show(f"it did not start:\n{error}")
        return False
    show("")
    for line in summary(tally):
        show(line)
    report = verify(f"sqlite:///{store}", read_key(key))
    show(verified(report))
    return not tally.misses and report.intact


def missing_models(script: Script) -> str | None:
    """What has to be installed first; None where nothing has."""
    if not any(command[0] == "intent" for command in script.agents.values()):
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


def _deployment(addresses: dict[str, str], key: Path) -> str:
    agents = "".join(f'[agents.{name}]\naddress = "{address}"\n' for name, address in addresses.items())
    return f'{agents}[audit]\nkey_file = "{key.absolute()}"\n'
