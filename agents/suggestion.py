"""What a provider is asked and what it answers, free of gRPC."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Symbol:
    """A value of an enum, by its name in the policy."""

    name: str


@dataclass(frozen=True, slots=True)
class Identifier:
    """A value of the policy type `id`."""

    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """Named values, each name once."""

    fields: tuple["Field", ...]


Value: TypeAlias = bool | int | Decimal | Symbol | Identifier | str | datetime | timedelta | Record


@dataclass(frozen=True, slots=True)
class Field:
    """A named value; None where it is unknown."""

    name: str
    value: Value | None


@dataclass(frozen=True, slots=True)
class Question:
    """What the policy lets an agent see; the utterance is empty where the turn has none."""

    agent: str
    utterance: str
    language: str
    sees: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Values for the fields that the provider describes."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Abstention:
    """Nothing to suggest, and why, for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class FieldSchema:
    """A field that a provider can suggest; its type as a policy spells it, and the symbols where that is an enum."""

    name: str
    type: str
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LanguageReport:
    """The share of `held_out` utterances, none of them seen in training, that was understood."""

    language: str
    encoder: str
    held_out: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class Description:
    """What a provider is; digests are sha256, hexadecimal, and empty where there is nothing to digest."""

    name: str
    fields: tuple[FieldSchema, ...]
    languages: tuple[LanguageReport, ...] = ()
    model: str = ""
    model_digest: str = ""
    data_digest: str = ""
