"""What a tool is called with and what comes of it, free of gRPC."""

from dataclasses import dataclass
from typing import TypeAlias

from charter.agents.suggestion import Field, FieldSchema, Value


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call. The same `key` is the same call, however often it comes."""

    key: str
    tool: str
    arguments: tuple[Field, ...]
    conversation: str
    language: str

    def argument(self, name: str) -> Value | None:
        """Returns the argument of that name; None where it is unknown or missing."""
        return next((one.value for one in self.arguments if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Result:
    """The call was carried out; these are the fields that it returns."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The call was not carried out and never will be, and why, for people."""

    reason: str


Outcome: TypeAlias = Result | Refusal


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """A tool, as policies declare it."""

    name: str
    arguments: tuple[FieldSchema, ...]
    results: tuple[FieldSchema, ...]
    writes: bool = False
    idempotent: bool = False
