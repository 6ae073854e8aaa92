"""Keeps what was learned: arrays and JSON in one npz file, never pickle, with its digest beside it."""

import hashlib
import io
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from charter.agents.encoders import Vectors
from charter.agents.features import Scales
from charter.agents.scope import Scope


@dataclass(frozen=True, slots=True)
class Head:
    """A linear classifier over the features of utterances, as one encoder gives them, for one language.

    `weights` is `[d + b, k]` and `bias` `[k]` for the k intents in order; confidence is the softmax of the logits over
    `temperature`. `accuracy` is the share of the `held_out` utterances that this very head understands.
    """

    language: str
    intents: tuple[str, ...]
    scales: Scales
    weights: Vectors
    bias: Vectors
    scope: Scope
    temperature: float
    held_out: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such artefact."""


@dataclass(frozen=True, slots=True)
class Corrupt:
    """The artefact is not what was written."""

    reason: str


def to_bytes(head: Head) -> bytes:
    """Returns the artefact; equal heads give equal bytes."""
    facts = {
        "language": head.language,
        "intents": head.intents,
        "temperature": head.temperature,
        "held_out": head.held_out,
        "accuracy": head.accuracy,
    }
    text = np.frombuffer(json.dumps(facts, sort_keys=True).encode(), dtype=np.uint8)
    file = io.BytesIO()
    np.savez(
        file,
        centre=head.scales.centre,
        rarity=head.scales.rarity,
        weights=head.weights,
        bias=head.bias,
        landmarks=head.scope.landmarks,
        nearness=head.scope.nearness,
        facts=text,
    )
    return file.getvalue()


def from_bytes(content: bytes) -> Head:
    """Returns the head that `to_bytes` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        facts: dict[str, Any] = json.loads(arrays["facts"].tobytes())
        return Head(
            language=facts["language"],
            intents=tuple(facts["intents"]),
            scales=Scales(arrays["centre"], arrays["rarity"]),
            weights=arrays["weights"],
            bias=arrays["bias"],
            scope=Scope(arrays["landmarks"], arrays["nearness"]),
            temperature=facts["temperature"],
            held_out=facts["held_out"],
            accuracy=facts["accuracy"],
        )


def save(head: Head, path: Path) -> None:
    """Writes the artefact and its digest; a reader sees each of them whole or not at all."""
    content = to_bytes(head)
    replace(path, content)
    replace(digest_path(path), f"{hashlib.sha256(content).hexdigest()}  {path.name}\n".encode())


def load(path: Path) -> Head | Absent | Corrupt:
    """Returns the artefact, if it is there and its bytes have the digest that was written with them."""
    try:
        digest = digest_path(path).read_text("utf-8", errors="replace").partition(" ")[0]
        content = path.read_bytes()
    except FileNotFoundError:
        return Absent()
    measured = hashlib.sha256(content).hexdigest()
    return from_bytes(content) if measured == digest else Corrupt(f"its sha256 is {measured}, not `{digest}`")


def digest_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def replace(path: Path, content: bytes) -> None:
    """The file has this content, or an OSError names it and nothing is left behind."""
    file = tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False)  # noqa: SIM115  # it is closed
    try:
        with file:
            file.write(content)
        os.replace(file.name, path)
    except OSError as error:
        os.unlink(file.name)
        raise OSError(error.errno, error.strerror, str(path)) from error
