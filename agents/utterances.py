"""Reads the utterances that a policy gives for its intents, and sets some aside for measurement."""

import csv
import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HEADER = ["language", "intent", "utterance"]
FEWEST = 10
"""Utterances an intent and language: two are held out and eight are left, enough for five folds."""
HELD_OUT = 5
"""One utterance in so many is held out."""
INTENT = re.compile(r"[a-z][a-z0-9_]*")


class InvalidUtterances(ValueError):
    """Utterances that nothing can be learned from; the message names the file and, where there is one, the line."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a customer may say, and what is meant; `line` is its place in the file."""

    language: str
    intent: str
    text: str
    line: int = field(compare=False)


def read_utterances(path: Path, *, readable: Callable[[str], bool]) -> tuple[Utterance, ...]:
    """Returns the utterances of a CSV file; `readable` says whether there is an encoder for a language.

    Every language has the same two or more intents, every intent at least ten utterances, and no two utterances of a
    language differ in case, spacing and punctuation only. Raises `InvalidUtterances`.
    """
    rows = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    utterances: list[Utterance] = []
    start = 1
    try:
        for row in rows:
            if start == 1 and row != HEADER:
                raise InvalidUtterances(f"{path}:1: the header is `{','.join(HEADER)}`, not `{','.join(row)}`")
            if start > 1 and row:
                utterances.append(read_row(path, start, row, readable))
            start = rows.line_num + 1
    except csv.Error as error:
        raise InvalidUtterances(f"{path}:{rows.line_num}: {error}") from error
    if start == 1:
        raise InvalidUtterances(f"{path}:1: the file is empty")
    check_twice(path, utterances)
    check_counts(path, utterances)
    return tuple(utterances)


def split(utterances: Iterable[Utterance]) -> tuple[list[Utterance], list[Utterance]]:
    """Returns the utterances to learn from and those held out: a fifth of each intent and language.

    The sha256 of an utterance decides, not its place, so the split is the same whatever the order of the file, and a
    new utterance moves few others.
    """
    groups: dict[tuple[str, str], list[Utterance]] = defaultdict(list)
    for one in sorted(utterances, key=lambda one: hashlib.sha256(normal(one.text).encode()).digest()):
        groups[one.language, one.intent].append(one)
    learned = [one for group in groups.values() for one in group[len(group) // HELD_OUT :]]
    held_out = [one for group in groups.values() for one in group[: len(group) // HELD_OUT]]
    return learned, held_out


def normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise InvalidUtterances(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidUtterances(f"{path}:{line}: the file is not UTF-8") from error


def read_row(path: Path, line: int, row: Sequence[str], readable: Callable[[str], bool]) -> Utterance:
    if len(row) != len(HEADER):
        raise InvalidUtterances(f"{path}:{line}: a row has {len(HEADER)} columns and this one {len(row)}")
    language, intent, text = row
    if not readable(language):
        raise InvalidUtterances(f"{path}:{line}: there is no encoder for the language `{language}`")
    if not INTENT.fullmatch(intent):
        raise InvalidUtterances(f"{path}:{line}: `{intent}` is not a name that a policy can give to an intent")
    if not normal(text):
        raise InvalidUtterances(f"{path}:{line}: the utterance has no words")
    return Utterance(language, intent, text, line)


def check_twice(path: Path, utterances: Iterable[Utterance]) -> None:
    seen: dict[tuple[str, str], Utterance] = {}
    for one in utterances:
        first = seen.setdefault((one.language, normal(one.text)), one)
        if first is not one:
            raise InvalidUtterances(f"{path}:{one.line}: this utterance stands in line {first.line} already")


def check_counts(path: Path, utterances: Sequence[Utterance]) -> None:
    groups: dict[str, dict[str, list[Utterance]]] = defaultdict(lambda: defaultdict(list))
    for one in utterances:
        groups[one.language][one.intent].append(one)
    intents = sorted({one.intent for one in utterances})
    if len(intents) < 2:
        raise InvalidUtterances(f"{path}: there must be two intents or more, and there are {len(intents)}")
    for language, group in groups.items():
        for intent in intents:
            if intent not in group:
                raise InvalidUtterances(f"{path}: the intent `{intent}` has no utterances in the language `{language}`")
            if len(group[intent]) < FEWEST:
                raise InvalidUtterances(
                    f"{path}:{group[intent][0].line}: the intent `{intent}` has {len(group[intent])} utterances in the "
                    f"language `{language}` and needs {FEWEST}"
                )
