"""`charter.toml`: where a policy's agents and tools live, where its conversations are stored, and how much is taken on.

None of it is part of the policy.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from charter.engine.breaker import BreakerRule

FILE_NAME = "charter.toml"
SQLITE = "sqlite:///"
DEFAULT_STORE = f"{SQLITE}var/charter.db"

_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")

_Table: TypeAlias = Mapping[str, object]
_Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgentAt:
    """An agent at `host:port`. With `hedge_ms` it is asked a second time when it has not answered after so long."""

    address: str
    breaker: BreakerRule | None = None
    hedge_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one server process takes on; what is more is refused, and may be sent again."""

    request_bytes: int = 262_144  # the largest request
    requests: int = 2_000  # under way at once, on streams too
    streams: int = 2_000  # open at once
    turn_ms: int = 4_000  # after this, whatever the caller would allow, what was asked of agents fails as late

    @property
    def turn_seconds(self) -> float:
        """The same in seconds."""
        return self.turn_ms / 1000


_BOUNDS: Mapping[str, tuple[int, int]] = {
    "request_bytes": (65_536, 4_194_304),
    "requests": (1, 1_000_000),
    "streams": (1, 1_000_000),
    "turn_ms": (500, 10_000),
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where everything lives. Paths in the file are relative to the file; those here are not."""

    agents: Mapping[str, AgentAt] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)  # name, or * for all others, to host:port
    store: str | None = None  # a URL
    key_file: Path | None = None
    certificate: Path | None = None  # what the policy's proof is checked from
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class BadDeployment:
    """What is wrong with the file, for people, each `file:line: what`."""

    complaints: tuple[str, ...]


def read_deployment(path: Path) -> Deployment | BadDeployment:
    """The deployment that the file describes."""
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        return BadDeployment((f"{path}: {error.strerror}",))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return BadDeployment((f"{path}:{line}: the file is not UTF-8",))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+), column", str(error))
        line = int(found[1]) if found else len(text.splitlines())
        return BadDeployment((f"{path}:{line}: {error}",))
    return parse_deployment(document, text, path)


def parse_deployment(document: _Table, text: str, path: Path) -> Deployment | BadDeployment:
    """The deployment in a document; `text` is what it was read from, to say the line of a complaint."""
    reading = _Reading(text, path)
    reading.known(document, (), {"agents", "tools", "store", "audit", "proof", "limits"})
    store, audit, proof = (reading.table(document, (name,)) for name in ("store", "audit", "proof"))
    reading.known(store, ("store",), {"url"})
    reading.known(audit, ("audit",), {"key_file"})
    reading.known(proof, ("proof",), {"certificate"})
    agents = reading.agents(reading.table(document, ("agents",)))
    tools = reading.tools(reading.table(document, ("tools",)))
    url, key_file = reading.store(store), reading.text(audit, ("audit", "key_file"))
    certificate = reading.text(proof, ("proof", "certificate"))
    limits = reading.limits(reading.table(document, ("limits",)))
    if reading.complaints:
        return BadDeployment(tuple(reading.complaints))
    return Deployment(
        agents,
        tools,
        url and f"{SQLITE}{path.parent / url.removeprefix(SQLITE)}",
        path.parent / key_file if key_file else None,
        path.parent / certificate if certificate else None,
        limits,
    )


class _Reading:
    """Collects complaints while the document is read. A thing is named by the keys on the way to it."""

    def __init__(self, text: str, path: Path) -> None:
        self._places, self._path = tuple(_places(text)), path
        self.complaints: list[str] = []

    def table(self, within: _Table, at: _Path) -> _Table:
        value = within.get(at[-1], {})
        if not isinstance(value, Mapping):
            self._complain(at, f"`{at[-1]}` must be a table: write [{'.'.join(at)}]")
            return {}
        return value

    def known(self, table: _Table, at: _Path, keys: set[str]) -> None:
        where = f" in [{'.'.join(at)}]" if at else ""
        for key in table:
            if key not in keys:
                self._complain((*at, key), f"unknown key `{key}`{where}; there are {_listed(keys)}")

    def text(self, table: _Table, at: _Path) -> str | None:
        value = table.get(at[-1])
        if value is None or (isinstance(value, str) and value):
            return value
        self._complain(at, f"`{at[-1]}` in [{'.'.join(at[:-1])}] must be a text")
        return None

    def store(self, table: _Table) -> str | None:
        url = self.text(table, ("store", "url"))
        if url is not None and (not url.startswith(SQLITE) or url == SQLITE):
            self._complain(("store", "url"), f"`{url}` is no store; write {DEFAULT_STORE}")
            return None
        return url

    def agents(self, tables: _Table) -> dict[str, AgentAt]:
        agents: dict[str, AgentAt] = {}
        for name in tables:
            at = ("agents", name)
            table = self.table(tables, at)
            self.known(table, at, {"address", "breaker", "hedge_ms"})
            address = self._address(table, at, f"agent `{name}`")
            breaker, hedge = self._breaker(table, at), self._number(table, (*at, "hedge_ms"))
            if address is not None:
                agents[name] = AgentAt(address, breaker, hedge)
        return agents

    def tools(self, tables: _Table) -> dict[str, str]:
        tools: dict[str, str] = {}
        for name in tables:
            at = ("tools", name)
            table = self.table(tables, at)
            self.known(table, at, {"address"})
            address = self._address(table, at, f"tool `{name}`")
            if address is not None:
                tools[name] = address
        return tools

    def limits(self, table: _Table) -> Limits:
        self.known(table, ("limits",), set(_BOUNDS))
        found = {}
        for key, (least, most) in _BOUNDS.items():
            value = self._number(table, ("limits", key))
            if value is not None and not least <= value <= most:
                self._complain(("limits", key), f"`{key}` in [limits] must be {least} to {most}")
            elif value is not None:
                found[key] = value
        return Limits(**found)

    def _address(self, table: _Table, at: _Path, whose: str) -> str | None:
        address = self.text(table, (*at, "address"))
        if address is None:
            if "address" not in table:
                self._complain(at, f"[{'.'.join(at)}] has no `address`")
            return None
        written = _ADDRESS.fullmatch(address)
        if written and 0 < int(written[1]) <= 65_535:
            return address
        wrong = f"there is no port {written[1]}" if written else 'write "host:port"'
        self._complain((*at, "address"), f"`{address}` is no address of {whose}; {wrong}")
        return None

    def _breaker(self, table: _Table, at: _Path) -> BreakerRule | None:
        if "breaker" not in table:
            return None
        within = (*at, "breaker")
        breaker = self.table(table, within)
        self.known(breaker, within, {"failures", "seconds"})
        failures, seconds = (self._number(breaker, (*within, key)) for key in ("failures", "seconds"))
        if failures is None or seconds is None:
            self._complain(within, f"a breaker of [{'.'.join(at)}] has both: {{failures = 5, seconds = 30}}")
            return None
        return BreakerRule(failures, seconds)

    def _number(self, table: _Table, at: _Path) -> int | None:
        value = table.get(at[-1])
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
            return value
        self._complain(at, f"`{at[-1]}` in [{'.'.join(at[:-1])}] must be a whole number above 0")
        return None

    def _complain(self, at: _Path, what: str) -> None:
        self.complaints.append(f"{self._path}:{self._line(at)}: {what}")

    def _line(self, at: _Path) -> int:
        """The line that the thing begins on; where it is part of a value, the line of that."""
        within = [(len(place), -line, line) for line, place in self._places if place == at[: len(place)]]
        under = [line for line, place in self._places if place[: len(at)] == at]
        return under[0] if under else max(within)[2] if within else 1


def _places(text: str) -> Iterator[tuple[int, _Path]]:
    """The lines that begin a table or a value, each with the keys on the way to it: `tomllib` keeps no places."""
    table: _Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _keys(header[1])
            yield number, table
        elif key := _KEY.match(line):
            yield number, (*table, *_keys(key[1]))


_NAME = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"({_NAME}(?:\s*\.\s*{_NAME})*)"
_HEADER, _KEY = re.compile(rf"\s*\[\[?\s*{_DOTTED}\s*\]"), re.compile(rf"\s*{_DOTTED}\s*=")


def _keys(dotted: str) -> _Path:
    return tuple(name.strip("\"'") for name in re.findall(_NAME, dotted))


def _listed(keys: set[str]) -> str:
    return ", ".join(f"`{key}`" for key in sorted(keys))
