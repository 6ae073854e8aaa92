"""What a head reads of an utterance: where it lies in an encoder's space, and which letters it is made of.

The letters catch words that an encoder hardly knows, such as `Geheimzahl`. On the utterances of `card_support`
(five-fold) they raise what is understood from 90.4 to 91.0 % in English and from 85.1 to 88.3 % in German.
"""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charter.agents.encoders import Vectors
from charter.agents.utterances import normal

BUCKETS = 4096
SHORTEST, LONGEST = 2, 5
"""Letters of a sequence, the edges of a word among them."""


@dataclass(frozen=True, slots=True)
class Scales:
    """What was learned about features as such: the `centre` `[d]` of the vectors, the `rarity` `[b]` of each bucket."""

    centre: Vectors
    rarity: Vectors


def scales(vectors: Vectors, letters: Vectors) -> Scales:
    """Returns the scales of these utterances, a row each: rarity is the smoothed inverse document frequency."""
    holding = (letters > 0).sum(axis=0)
    rarity = np.log((1 + len(letters)) / (1 + holding)) + 1
    return Scales(vectors.mean(axis=0), rarity.astype(np.float32))


def features(learned: Scales, vectors: Vectors, letters: Vectors) -> Vectors:
    """Returns `[n, d + b]`: the centred vector and the weighted letters of each utterance, each of length 1."""
    return np.hstack([unit(vectors - learned.centre), unit(letters * learned.rarity)])


def letters_of(texts: Sequence[str]) -> Vectors:
    """Returns how often each bucket of letter sequences occurs, `[n, BUCKETS]`, on a logarithmic scale from 1."""
    rows = np.zeros((len(texts), BUCKETS), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for sequence, count in sequences(text).items():
            row[zlib.crc32(sequence.encode()) % BUCKETS] += count
    return np.where(rows > 0, 1 + np.log(np.maximum(rows, 1)), 0).astype(np.float32)


def sequences(text: str) -> Counter[str]:
    words = [f" {word} " for word in normal(text).split()]
    return Counter(
        word[start : start + length]
        for word in words
        for length in range(SHORTEST, LONGEST + 1)
        for start in range(len(word) - length + 1)
    )


def unit(rows: Vectors) -> Vectors:
    lengths: Vectors = np.linalg.norm(rows, axis=1, keepdims=True).astype(np.float32)
    return np.asarray(rows / lengths.clip(min=1e-9), dtype=np.float32)
