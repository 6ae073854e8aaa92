"""Understands by word lists: instant, the same every time, and there when no model is. Meant as a fallback.

A list is words that must all occur; `lost*` stands for every word that begins so. The list that matches with the most
words wins. Where lists of two intents match equally well, the first in the file is suggested, and not for sure.
"""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from charter.agents.suggestion import Abstention, Description, Field, FieldSchema, Question, Suggestion, Symbol
from charter.agents.utterances import INTENT, InvalidUtterances, normal, read_text

HEADER = ["language", "intent", "words"]
SURE, TORN = Decimal("0.8000"), Decimal("0.5000")


@dataclass(frozen=True, slots=True)
class WordList:
    """Words that mean an intent where they all occur; one that ends in `*` stands for its continuations, too."""

    intent: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeywordsProvider:
    """Suggests `intent` and `confidence`; abstains where no list matches, and in a language without lists."""

    lists: Mapping[str, Sequence[WordList]]
    data_digest: str

    def describe(self) -> Description:
        """Says what is served."""
        intents = tuple(sorted({one.intent for lists in self.lists.values() for one in lists}))
        return Description(
            name="keywords",
            fields=(FieldSchema("intent", "enum", intents), FieldSchema("confidence", "decimal(4) 0..1")),
            model="word lists in " + ", ".join(sorted(self.lists)),
            data_digest=self.data_digest,
        )

    def suggest(self, question: Question) -> Suggestion | Abstention:
        """Suggests what the words mean."""
        lists = self.lists.get(question.language) or self.lists.get(question.language.partition("-")[0].lower())
        if lists is None:
            return Abstention(f"there are no word lists in the language `{question.language}`"[:200])
        said = normal(question.utterance).split()
        matching = [one for one in lists if all(occurs(word, said) for word in one.words)]
        most = max((len(one.words) for one in matching), default=0)
        best = [one.intent for one in matching if len(one.words) == most]
        if not best:
            return Abstention("no word list matches")
        confidence = SURE if len(set(best)) == 1 else TORN
        return Suggestion((Field("intent", Symbol(best[0])), Field("confidence", confidence)))


def occurs(word: str, said: Sequence[str]) -> bool:
    return any(one.startswith(word[:-1]) for one in said) if word.endswith("*") else word in said


def read_keywords(path: Path) -> KeywordsProvider:
    """Returns a provider for the word lists in a CSV file. Raises `InvalidUtterances`."""
    text = read_text(path)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    lists: dict[str, list[WordList]] = {}
    try:
        for row in rows:
            if rows.line_num == 1:
                if row != HEADER:
                    raise InvalidUtterances(f"{path}:1: the header is `{','.join(HEADER)}`, not `{','.join(row)}`")
            elif row:
                language, read = read_row(path, rows.line_num, row)
                lists.setdefault(language, []).append(read)
    except csv.Error as error:
        raise InvalidUtterances(f"{path}:{rows.line_num}: {error}") from error
    if not lists:
        raise InvalidUtterances(f"{path}: there are no word lists")
    return KeywordsProvider(lists, hashlib.sha256(text.encode()).hexdigest())


def read_row(path: Path, line: int, row: Sequence[str]) -> tuple[str, WordList]:
    if len(row) != len(HEADER):
        raise InvalidUtterances(f"{path}:{line}: a row has {len(HEADER)} columns and this one {len(row)}")
    language, intent, text = row
    if not INTENT.fullmatch(intent):
        raise InvalidUtterances(f"{path}:{line}: `{intent}` is not a name that a policy can give to an intent")
    words = tuple(part for word in text.split() for part in (normal(word) + "*" * word.endswith("*")).split())
    if not words or "*" in words:
        raise InvalidUtterances(f"{path}:{line}: `{text}` is no list of words")
    return language, WordList(intent, words)
