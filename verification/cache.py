"""Findings on disk, so that an edit works anew only on what it touched. What is read there is a hint (`hints.py`).

One file for each question, found by the policy's name and by what is asked; each is written at once or not at all, so
any number of runs may share a folder.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

from charter.dsl.program import FORMAT, Event, EventKind, Program
from charter.dsl.values import Json, Misfit, record_from_json, to_json
from charter.verification.hints import Conversation, Hint
from charter.verification.machine import Goal
from charter.verification.pursue import Holds

VERSION = f"1.{FORMAT}"  # INVARIANT: raised whenever what a hint says changes


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of hints. `warn` is told, in a sentence, of each file that cannot be used."""

    folder: Path
    warn: Callable[[str], None]

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
        self._write(_file(program, goal), _written(program, hint))

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
        return found if found.get("version") == VERSION else None

    def _write(self, name: str, found: Mapping[str, Json]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, made = tempfile.mkstemp(dir=self.folder)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"version": VERSION, **found}, file, ensure_ascii=False)
            os.replace(made, self.folder / name)
        except OSError as error:
            self.warn(f"{self.folder}: nothing is remembered: {error.strerror}")


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
