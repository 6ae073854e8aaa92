"""Work in processes of their own: each piece begins from the same state, and can be killed without harm to others."""

import contextlib
import gc
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Generic, TypeVar

AN_HOUR = 3600.0  # as long as one wait may be: the system takes no number however large

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Failed:
    """A piece of work that came to nothing, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How many processes at a time, how long each may work, and how much larger than this one it may become."""

    jobs: int = 2
    seconds: float = 300.0
    megabytes: int = 2048

    def nested(self) -> tuple["Limits", "Limits"]:
        """For pieces of work, so many at a time, each of which spreads its own, one at a time; and for that."""
        return replace(self, seconds=inf, megabytes=2 * self.megabytes), replace(self, jobs=1)


@dataclass(frozen=True, slots=True)
class _Running(Generic[_T]):
    task: _T
    process: ForkProcess
    began: float


def worked(tasks: Sequence[_T], work: Callable[[_T], _R], limits: Limits) -> Iterator[tuple[_T, _R | Failed]]:
    """What `work` makes of each task, in the order in which they are done."""
    left = list(reversed(tasks))
    running: dict[Connection, _Running[_T]] = {}
    try:
        while left or running:
            while left and len(running) < limits.jobs:
                task = left.pop()
                with _started(partial(work, task), limits) as (here, process):
                    running[here] = _Running(task, process, time.monotonic())
            ready = wait(list(running), timeout=min(_left(each, limits) for each in running.values()))
            for end in [end for end in running if end in ready or _is_late(running[end], limits)]:
                each = running.pop(end)
                yield each.task, _answer(end, each, end in ready, limits)
    finally:
        for each in running.values():
            each.process.kill()


def worked_in_order(tasks: Sequence[_T], work: Callable[[_T], _R], limits: Limits) -> Iterator[_R | Failed]:
    """The same without the tasks, in their order."""
    answers = worked(range(len(tasks)), lambda i: work(tasks[i]), limits)
    early: dict[int, _R | Failed] = {}
    for i in range(len(tasks)):
        while i not in early:
            done, answer = next(answers)
            early[done] = answer
        yield early.pop(i)


@contextlib.contextmanager
def beside(work: Callable[[], _R], limits: Limits) -> Iterator[Callable[[], _R | Failed]]:
    """What `work` makes is there when it is asked for; until then this process does something else."""
    with _started(work, limits) as (here, process):
        running = _Running(None, process, time.monotonic())

    def answer() -> _R | Failed:
        while not (ready := bool(wait([here], timeout=_left(running, limits)))) and not _is_late(running, limits):
            pass
        return _answer(here, running, ready, limits)

    try:
        yield answer
    finally:
        process.kill()
        process.join()


@contextlib.contextmanager
def _started(work: Callable[[], object], limits: Limits) -> Iterator[tuple[Connection, ForkProcess]]:
    """A process that works, and where its answer comes from. Ctrl-C waits for what is done with them."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    process = fork.Process(target=_child, args=(there, work, limits.megabytes), daemon=True)
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a child is not to see Ctrl-C
    try:
        process.start()
        yield here, process
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        there.close()


def _left(each: _Running[_T], limits: Limits) -> float:
    """How many seconds a process may still work, as far as one wait goes."""
    return min(max(0.0, each.began + limits.seconds - time.monotonic()), AN_HOUR)


def _is_late(each: _Running[_T], limits: Limits) -> bool:
    return time.monotonic() >= each.began + limits.seconds


def _answer(end: Connection, each: _Running[_T], ready: bool, limits: Limits) -> _R | Failed:
    answer: _R | Failed = Failed(f"no answer in {limits.seconds:g} s")
    if ready:
        try:
            answer = end.recv()
        except EOFError:
            each.process.join()
            answer = Failed(f"the solver's process ended with code {each.process.exitcode}")
    each.process.kill()
    each.process.join()
    end.close()
    return answer


def _child(end: Connection, work: Callable[[], object], megabytes: int) -> None:
    multiprocessing.current_process().daemon = False  # it may spread its own work, which ends when it does
    gc.freeze()  # what the parent holds is not for its children to clean up: its threads are not here
    threading.Thread(target=_follow_parent, daemon=True).start()
    with contextlib.suppress(ValueError, OSError):  # where the system knows no such limit
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + megabytes * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        answer = work()
    except MemoryError:
        answer = Failed("out of memory")
    except Exception as error:  # the outermost frame of this process: whatever it is, the others go on
        answer = Failed(f"internal error: {type(error).__name__}: {error}")
    end.send(answer)
    end.close()


def _follow_parent() -> None:
    """Ends this process where its parent has ended, however that came."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
