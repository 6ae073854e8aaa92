"""Proofs while a policy is written: proved again whenever one of its files changes.

What was proved is kept in this process, so an edit of rules is looked at by itself, and nothing is believed that
another process has left.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Never

import click

from charter.dsl.load import Loaded, Rejected, load
from charter.verification.prove.prove import Settings
from charter.verification.prove.standing import Standing
from charter.verification.usage import tell

PAUSE = 0.2  # seconds between two looks at the files

Anew = Callable[[Path, Loaded], Standing | None]


def watch(path: Path, settings: Settings, anew: Anew) -> Never:
    """Until it is interrupted. `anew` proves from the start, says what came of it, and returns what stands, if all."""
    standing: Standing | None = None
    while True:
        seen = _stamps(path)
        match load(path):
            case Rejected() as rejected:
                tell(path, rejected)
            case Loaded() as loaded:
                began = time.perf_counter()
                if standing is not None and standing.of(loaded.program, settings):
                    seconds = time.perf_counter() - began
                    click.echo(f"{path}: all {len(standing.proved)} still proved, in {seconds:.1f} s")
                else:
                    standing = anew(path, loaded)
        while _stamps(path) == seen:
            time.sleep(PAUSE)


def _stamps(path: Path) -> Mapping[Path, tuple[int, int]]:
    """When each file of the policy was written last, and how long it is."""
    found = {}
    for file in (path if path.is_dir() else path.parent).glob("*.charter"):
        with suppress(OSError):  # it is gone
            stat = file.stat()
            found[file] = stat.st_mtime_ns, stat.st_size
    return found
