"""Proofs while a policy is written: proved again whenever one of its files changes.

What was proved is kept in this process, so an edit of rules is looked at by itself, and nothing is believed that
another process has left.
"""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Never

import click

from charter.dsl.load import Loaded, Rejected, load
from charter.dsl.program import STEP_CHECKS
from charter.verification.prove.prove import Settings, Subject, subject_of
from charter.verification.prove.standing import Standing
from charter.verification.prove.verdicts import Result
from charter.verification.usage import tell

PAUSE = 0.2  # seconds between two looks at the files

Prove = Callable[[Path, Loaded, Subject, Collection[str] | None], list[Result]]


def watch(path: Path, settings: Settings, prove: Prove) -> Never:
    """Until it is interrupted. `prove` gives the results on what has these names, or on everything, and says them."""
    standing: Standing | None = None
    while True:
        seen = _stamps(path)
        match load(path):
            case Rejected() as rejected:
                tell(path, rejected)
            case Loaded() as loaded:
                standing = _proved(path, loaded, standing, settings, prove)
        while _stamps(path) == seen:
            time.sleep(PAUSE)


def _proved(path: Path, loaded: Loaded, standing: Standing | None, settings: Settings, prove: Prove) -> Standing | None:
    """What stands for the next edit: this policy if all of it is proved, or else what stood before."""
    began = time.perf_counter()
    lost = None if standing is None else standing.lost(loaded.program, settings)
    if standing is None or lost is None or not lost.isdisjoint(STEP_CHECKS):
        subject = subject_of(loaded.program, settings)
        results = prove(path, loaded, subject, None)
        now = Standing.after(subject, results)
        return now if len(now.proved) == len(results) else standing
    kept, seconds = standing.proved.keys() - lost, time.perf_counter() - began
    click.echo(f"{path}: {'the other' if lost else 'all'} {len(kept)} still proved, in {seconds:.1f} s")
    if not lost:
        return standing
    subject = standing.edited(loaded.program, lost, settings)
    now = Standing.after(subject, prove(path, loaded, subject, lost))
    return replace(now, proved={**standing.proved, **now.proved}) if lost <= now.proved.keys() else standing


def _stamps(path: Path) -> Mapping[Path, tuple[int, int]]:
    """When each file of the policy was written last, and how long it is."""
    found = {}
    for file in (path if path.is_dir() else path.parent).glob("*.charter"):
        with suppress(OSError):  # it is gone
            stat = file.stat()
            found[file] = stat.st_mtime_ns, stat.st_size
    return found
