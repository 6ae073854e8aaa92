"""Findings on disk, so that an edit works anew only on what it touched. What is read there is a hint (`hints.py`).

One file for each question, found by the policy's name and by what is asked; each is written at once or not at all, so
any number of runs may share a folder.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

from charter.dsl.program import FORMAT, Event, EventKind, Program
from charter.dsl.values import Json, Misfit, record_from_json, to_json
from charter.verification.prove.hints import Conversation, Hint
from charter.verification.prove.machine import Goal
from charter.verification.prove.pursue import Holds
from charter.verification.whole_file import BEGUN, write_whole

VERSION = f"1.{FORMAT}"  # INVARIANT: raised whenever what a hint says changes
MOST_BYTES = 256_000_000
BLOCK = 4096  # bytes that a file takes at least
AN_HOUR = 3600.0

_OURS = re.compile(rf"[0-9a-f]{{64}}\.json|{re.escape(BEGUN)}[0-9a-f]{{16}}")


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of hints, of so many bytes. `warn` is told, in a sentence, of each file that cannot be used; where it is
    `frozen`, nothing is added to it.
    """

    folder: Path
    warn: Callable[[str], None]
    most: int = MOST_BYTES
    frozen: bool = False

    def hint(self, program: Program, goal: Goal) -> Hint | None:
        """What was found of a goal before."""
        found = self._read(_file(program, goal))
        try:
            return None if found is None else _hint(program, found)
        except Misfit as error:
            self.warn(f"{self.folder / _file(program, goal)}: ignored: {error}")
            return None

    def keep(self, program: Program, goal: Goal, hint: Hint) -> None:
        """Remembers what was found of a goal."""
        if not self.frozen:
            self._write(_file(program, goal), _written(program, hint))

    def prune(self) -> None:
        """Where there are more bytes than may be, what was not used for the longest goes, until a fifth of the room is
        free. Files that are not ours stay."""
        files = sorted(_files(self.folder), key=lambda file: file.used)
        full = sum(file.room for file in files)
        goal = self.most * 4 // 5 if full > self.most else full
        for file in files:
            is_begun = file.name.startswith(BEGUN)  # another process writes it, or ended while it did
            if (file.used < time.time() - AN_HOUR) if is_begun else full > goal:
                full -= file.room
                with suppress(OSError):  # another process was first
                    (self.folder / file.name).unlink()

    def _read(self, name: str) -> dict[str, Json] | None:
        file = self.folder / name
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            self.warn(f"{file}: ignored: {error}")
            return None
        if not isinstance(found, dict):
            self.warn(f"{file}: ignored: no object")
            return None
        with suppress(OSError):  # a folder that may only be read is of use too
            os.utime(file)
        return found if found.get("version") == VERSION else None

    def _write(self, name: str, found: Mapping[str, Json]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / name, json.dumps({"version": VERSION, **found}, ensure_ascii=False))
        except OSError as error:
            self.warn(f"{self.folder}: nothing is remembered: {error.strerror}")


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a cache: when it was used last, and how many bytes it takes on a disk."""

    name: str
    used: float
    room: int


def _files(folder: Path) -> Iterator[_File]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _OURS.fullmatch(entry.name):
                with suppress(OSError):  # it is gone
                    found = entry.stat(follow_symlinks=False)
                    yield _File(entry.name, found.st_mtime, -(-found.st_size // BLOCK) * BLOCK)


def default_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Where hints lie unless a folder is named."""
    return Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "charter" / "proofs"


def _file(program: Program, goal: Goal) -> str:
    """The name of the file for a question."""
    asked = " ".join((program.name, *_canonical(goal)))
    return f"{hashlib.sha256(asked.encode()).hexdigest()}.json"


def _canonical(node: object) -> Iterator[str]:
    """A goal as words, the same in every process."""
    if is_dataclass(node):
        yield type(node).__name__
        for each in fields(node):
            yield from _canonical(getattr(node, each.name))
    elif isinstance(node, tuple | frozenset):
        parts = [" ".join(_canonical(part)) for part in node]
        yield f"({' '.join(sorted(parts) if isinstance(node, frozenset) else parts)})"
    else:
        yield repr(node)


# --- as JSON ---------------------------------------------------------------------------------------------------------


def _written(program: Program, hint: Hint) -> dict[str, Json]:
    lean: dict[str, Json] = {"kept": list(hint.kept), "without": list(hint.without)}
    match hint:
        case Holds(invariant):
            return {"invariant": invariant, **lean}
        case Conversation(events):
            return {"events": [_event_json(program, event) for event in events], **lean}


def _event_json(program: Program, event: Event) -> Json:
    types = dict(program.events[event.kind].fields)
    given = {name: to_json(value, types[name]) for name, value in event.fields.items()}
    return {"kind": str(event.kind), "fields": given, "now": event.now}


def _hint(program: Program, found: Mapping[str, Json]) -> Hint:
    kept = tuple(_text(each, "kept") for each in _list(found, "kept"))
    without = tuple(_text(each, "without") for each in _list(found, "without"))
    if "invariant" in found:
        return Holds(_text(found["invariant"], "invariant"), kept, without)
    events = tuple(_event(program, each, f"event {n}") for n, each in enumerate(_list(found, "events"), 1))
    return Conversation(events, kept, without)


def _event(program: Program, found: Json, where: str) -> Event:
    if not isinstance(found, dict):
        raise Misfit(f"{where}: no object")
    kind, now = EventKind(_text(found.get("kind"), where)), found.get("now")
    if kind not in program.events:
        raise Misfit(f"{where}: there is no `{kind}`")
    if not isinstance(now, int):
        raise Misfit(f"{where}: no time")
    return Event(kind, record_from_json(found.get("fields"), program.events[kind].fields, where), now)


def _list(found: Mapping[str, Json], name: str) -> list[Json]:
    value = found.get(name)
    if not isinstance(value, list):
        raise Misfit(f"{name}: no list")
    return value


def _text(found: Json, where: str) -> str:
    if not isinstance(found, str):
        raise Misfit(f"{where}: no text")
    return found
