"""`charter.toml`: where the agents and tools of a policy live and where its conversations are stored.

None of it is part of the policy.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from charter.engine.breaker import BreakerRule

FILE_NAME = "charter.toml"
DEFAULT_STORE = "sqlite:///var/charter.db"

_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):\d{1,5}")
_Table: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AgentAt:
    """An agent at `host:port`. With `hedge_ms` it is asked a second time when it has not answered after so long."""

    address: str
    breaker: BreakerRule | None = None
    hedge_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where everything lives. Paths in the file are relative to the file; those here are not."""

    agents: Mapping[str, AgentAt] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)  # name, or * for all others, to host:port
    store: str | None = None  # a URL
    key_file: Path | None = None
    certificate: Path | None = None  # what the policy's proof is checked from


@dataclass(frozen=True, slots=True)
class BadDeployment:
    """What is wrong with the file, for people, each `file:line: what`."""

    complaints: tuple[str, ...]


def read_deployment(path: Path) -> Deployment | BadDeployment:
    """The deployment that the file describes."""
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        return BadDeployment((f"{path}: {error}",))
    except tomllib.TOMLDecodeError as error:
        return BadDeployment((f"{path}: {error}",))
    return parse_deployment(document, text, path)


def parse_deployment(document: _Table, text: str, path: Path) -> Deployment | BadDeployment:
    """The deployment in a document; `text` is what it was read from, to say the line of a complaint."""
    reading = _Reading(text, path)
    reading.known(document, "", {"agents", "tools", "store", "audit", "proof"})
    store, audit = reading.table(document, "store"), reading.table(document, "audit")
    proof = reading.table(document, "proof")
    reading.known(store, "store", {"url"})
    reading.known(audit, "audit", {"key_file"})
    reading.known(proof, "proof", {"certificate"})
    agents = reading.agents(reading.table(document, "agents"))
    tools = reading.tools(reading.table(document, "tools"))
    url, key_file = reading.text(store, "store", "url"), reading.text(audit, "audit", "key_file")
    certificate = reading.text(proof, "proof", "certificate")
    if reading.complaints:
        return BadDeployment(tuple(reading.complaints))
    return Deployment(
        agents,
        tools,
        _absolute(url, path),
        path.parent / key_file if key_file else None,
        path.parent / certificate if certificate else None,
    )


class _Reading:
    """Collects complaints while the document is read."""

    def __init__(self, text: str, path: Path) -> None:
        self._lines, self._path = text.splitlines(), path
        self.complaints: list[str] = []

    def table(self, within: _Table, key: str) -> _Table:
        value = within.get(key, {})
        if not isinstance(value, Mapping):
            self._complain(key, f"`{key}` must be a table: write [{key}]")
            return {}
        return value

    def known(self, table: _Table, name: str, keys: set[str]) -> None:
        where = f" in [{name}]" if name else ""
        for key in table:
            if key not in keys:
                self._complain(key, f"unknown key `{key}`{where}; there are {_listed(keys)}")

    def text(self, table: _Table, name: str, key: str) -> str | None:
        value = table.get(key)
        if value is None or (isinstance(value, str) and value):
            return value
        self._complain(key, f"`{key}` in [{name}] must be a text")
        return None

    def agents(self, tables: _Table) -> dict[str, AgentAt]:
        agents: dict[str, AgentAt] = {}
        for name in tables:
            table, where = self.table(tables, name), f"agents.{name}"
            self.known(table, where, {"address", "breaker", "hedge_ms"})
            address = self._address(table, where, f"agent `{name}`")
            breaker, hedge = self._breaker(table, where), self._number(table, where, "hedge_ms")
            if address is not None:
                agents[name] = AgentAt(address, breaker, hedge)
        return agents

    def tools(self, tables: _Table) -> dict[str, str]:
        tools: dict[str, str] = {}
        for name in tables:
            table, where = self.table(tables, name), f"tools.{name}"
            self.known(table, where, {"address"})
            address = self._address(table, where, f"tool `{name}`")
            if address is not None:
                tools[name] = address
        return tools

    def _address(self, table: _Table, where: str, whose: str) -> str | None:
        address = self.text(table, where, "address")
        if address is None and "address" not in table:
            self._complain(where.partition(".")[2], f"[{where}] has no `address`")
        elif address is not None and not _ADDRESS.fullmatch(address):
            self._complain(address, f'`{address}` is no address of {whose}; write "host:port"')
        else:
            return address
        return None

    def _breaker(self, table: _Table, where: str) -> BreakerRule | None:
        if "breaker" not in table:
            return None
        breaker = self.table(table, "breaker")
        self.known(breaker, f"{where}.breaker", {"failures", "seconds"})
        failures, seconds = (self._number(breaker, f"{where}.breaker", key) for key in ("failures", "seconds"))
        if failures is None or seconds is None:
            self._complain("breaker", f"a breaker of [{where}] has both: {{failures = 5, seconds = 30}}")
            return None
        return BreakerRule(failures, seconds)

    def _number(self, table: _Table, where: str, key: str) -> int | None:
        value = table.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
            return value
        self._complain(key, f"`{key}` in [{where}] must be a whole number above 0")
        return None

    def _complain(self, word: str, what: str) -> None:
        self.complaints.append(f"{self._path}:{self._line(word)}: {what}")

    def _line(self, word: str) -> int:
        """The first line with the word: `tomllib` keeps no places, and a wrong guess costs the reader a glance."""
        pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
        return next((number for number, line in enumerate(self._lines, 1) if pattern.search(line)), 1)


def _absolute(url: str | None, path: Path) -> str | None:
    if url is None or not url.startswith("sqlite:///"):
        return url
    return f"sqlite:///{path.parent / url.removeprefix('sqlite:///')}"


def _listed(keys: set[str]) -> str:
    return ", ".join(f"`{key}`" for key in sorted(keys))
