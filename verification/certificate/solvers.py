"""Processes with cvc5, each of which may crash, hang or run out of memory without taking anything along."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import TypeAlias

_PROCESS = Path(__file__).with_name("cvc5_process.py")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a whole check may take, how much memory each process has, and how many there are."""

    seconds: float = 120.0
    megabytes: int = 2048
    processes: int = 2


@dataclass(frozen=True, slots=True)
class Failed:
    """A question that has no answer, and why."""

    why: str


Answers: TypeAlias = tuple[str, ...] | Failed


class Solvers:
    """Processes that answer; a question takes one that is free. Opened by `solvers`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._until = time.monotonic() + limits.seconds
        self._free: Queue[subprocess.Popen[str]] = Queue()
        self._all: list[subprocess.Popen[str]] = []
        for _ in range(limits.processes):
            self._start()

    def ask(self, script: str, cases: tuple[str, ...] = ()) -> Answers:
        """`sat`, `unsat` or `unknown` for each case, or for the script where there is none."""
        process = self._free.get()
        left = self._until - time.monotonic()
        killer = threading.Timer(min(max(left, 0.0), threading.TIMEOUT_MAX), process.kill)
        killer.start()
        try:
            said = _exchange(process, json.dumps({"script": script, "cases": list(cases)}))
        finally:
            killer.cancel()
        if said:
            self._free.put(process)
        else:
            process.kill()
            self._start()
        return _answers(said, self._until - time.monotonic() <= 0, max(1, len(cases)))

    def close(self) -> None:
        """Ends all of them."""
        for process in self._all:
            process.kill()
            process.communicate()

    def _start(self) -> None:
        process = subprocess.Popen(
            [sys.executable, "-I", str(_PROCESS), str(self._limits.megabytes)],
            stdin=subprocess.PIPE,  # it ends with its input, and so with this process
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process alone
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        self._all.append(process)
        self._free.put(process)


@contextmanager
def solvers(limits: Limits) -> Iterator[Solvers]:
    """Processes with cvc5 that end with the block."""
    opened = Solvers(limits)
    try:
        yield opened
    finally:
        opened.close()


def _exchange(process: subprocess.Popen[str], line: str) -> str:
    """What the process says to a line; nothing where it has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline()
    except OSError:
        return ""


def _answers(said: str, late: bool, wanted: int) -> Answers:
    if late:
        return Failed("the time was up")
    if not said:
        return Failed("the solver's process ended")
    try:
        found = json.loads(said)
    except ValueError:
        return Failed("the solver's process said nothing that can be read")
    if isinstance(found, list) and len(found) == wanted and all(each in ("sat", "unsat", "unknown") for each in found):
        return tuple(found)
    why = found.get("error") if isinstance(found, dict) else None
    return Failed(f"the solver says: {why or said.strip()[:200]}")
