"""Understands what a customer wants: a linear head over vectors and letters, learned from a policy's own utterances.

What is served is what was measured: the head learns from four fifths of the utterances, and its accuracy is that on the
other fifth, which it never learns from, not even at the end. Learning from everything would serve a model that nobody
measured.

Kept as simple as the evidence asks: a pool with nearest neighbours helped neither language, a second encoder less than
letters do (`features.py`). Confidence and scope are two numbers (`scope.py`).
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charter.agents import artefact
from charter.agents.artefact import Head
from charter.agents.encoders import Encoder, Package, Vectors, encoder_for, load_encoder
from charter.agents.features import features, letters_of, scales
from charter.agents.scope import OUTSIDE, in_scope, scope_of
from charter.agents.suggestion import (
    Abstention,
    Description,
    Field,
    FieldSchema,
    LanguageReport,
    Question,
    Suggestion,
    Symbol,
)
from charter.agents.utterances import Utterance, read_utterances, split


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides a head besides utterances and encoder. A change here, or of what it means, asks for a new `version`.

    With a tolerance of 1e-3 the optimiser can stop before its first iteration.
    """

    version: int = 2
    inverse_regularisation: float = 10.0
    tolerance: float = 3e-4
    most_iterations: int = 2000
    folds: int = 5
    enough: int = 200  # predictions on unseen folds, for one temperature
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Understanding:
    """The likeliest intent, how likely it is, and how familiar the utterance is, 0 to 1 both."""

    intent: str
    confidence: float
    in_scope: float


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A head with the encoder that it was learned over."""

    head: Head
    encoder: Encoder


@dataclass(frozen=True, slots=True)
class IntentProvider:
    """Suggests `intent` and `confidence`, and `in_scope` where it is to tell; abstains without words, and in a language
    that it has no utterances of.

    One call at a time: the tokenizers are not made for more.
    """

    models: Mapping[str, LanguageModel]
    data_digest: str
    tells_scope: bool = False

    def describe(self) -> Description:
        """Says what is served, with the accuracy of each language on the utterances held out."""
        models = [self.models[language] for language in sorted(self.models)]
        digests = [part for one in models for part in (one.encoder.digest, hashed(artefact.to_bytes(one.head)))]
        intents = models[0].head.intents
        fields = (FieldSchema("intent", "enum", intents), *(FieldSchema(one, "decimal(4) 0..1") for one in self.shares))
        return Description(
            name="intent",
            fields=fields,
            languages=tuple(report(one) for one in models),
            model="logistic regression over " + ", ".join(sorted({one.encoder.name for one in models})),
            model_digest=hashed("\n".join(digests).encode()),
            data_digest=self.data_digest,
        )

    def suggest(self, question: Question) -> Suggestion | Abstention:
        """Suggests what the utterance means."""
        if not question.utterance.strip():
            return Abstention("there is no utterance")
        model = self.model_of(question.language)
        if model is None:
            return Abstention(f"there are no utterances in the language `{question.language}`"[:200])
        (found,) = understand(model.head, model.encoder, [question.utterance])
        shares = (Field(one, Decimal(f"{getattr(found, one):.4f}")) for one in self.shares)
        return Suggestion((Field("intent", Symbol(found.intent)), *shares))

    @property
    def shares(self) -> tuple[str, ...]:
        """The fields besides the intent."""
        return ("confidence", "in_scope") if self.tells_scope else ("confidence",)

    def model_of(self, language: str) -> LanguageModel | None:
        """Returns the model of the language, or of its primary subtag: `de` stands in for `de-AT`."""
        return self.models.get(language) or self.models.get(language.partition("-")[0].lower())


def load_provider(data: Path, cache: Path, *, warn: Callable[[str], None], tells_scope: bool = False) -> IntentProvider:
    """Returns a provider for the utterances in `data`, learned now or found in `cache`, ready to answer at once.

    Raises `InvalidUtterances`, `EncoderUnavailable`, and OSError where the cache cannot be used. `warn` is told of each
    artefact that was found corrupt.
    """
    utterances = read_utterances(data, readable=lambda language: encoder_for(language) is not None)
    cache.mkdir(parents=True, exist_ok=True)
    loaded: dict[str, Encoder] = {}
    models: dict[str, LanguageModel] = {}
    for language in sorted({one.language for one in utterances}):
        package = encoder_for(language)
        assert package is not None  # `read_utterances` refuses a language without one
        encoder = loaded.setdefault(package.name, load_encoder(package))
        spoken = [one for one in utterances if one.language == language]
        head = cached_head(spoken, package, encoder, cache, warn=warn)
        models[language] = LanguageModel(head, encoder)
    for encoder in loaded.values():
        encoder.encode(["the first text takes longer than any other"])
    return IntentProvider(models, hashed(data.read_bytes()), tells_scope)


def cached_head(
    utterances: Sequence[Utterance], package: Package, encoder: Encoder, cache: Path, *, warn: Callable[[str], None]
) -> Head:
    """Returns the head for these utterances of one language, from the cache or else learned and put there."""
    path = cache / f"{cache_key(utterances, package, Recipe())}.npz"
    match artefact.load(path):
        case Head() as head:
            return head
        case artefact.Corrupt(reason):
            warn(f"{path} is corrupt and will be built again: {reason}")
        case artefact.Absent():
            pass
    head = learn(utterances, encoder, Recipe())
    artefact.save(head, path)
    return head


def cache_key(utterances: Sequence[Utterance], package: Package, recipe: Recipe) -> str:
    """Returns sha256 of everything that decides the head; the order of the utterances does not."""
    versions = {
        name: importlib.metadata.version(name) for name in ("numpy", "scikit-learn", "scipy", package.distribution)
    }
    parts = {
        "utterances": sorted((one.language, one.intent, one.text) for one in utterances),
        "recipe": asdict(recipe),
        "encoder": package.digest,
        "versions": versions,
    }
    return hashed(json.dumps(parts, sort_keys=True).encode())


def learn(utterances: Sequence[Utterance], encoder: Encoder, recipe: Recipe) -> Head:
    """Returns a head for one language, learned from four fifths of the utterances and measured on the rest.

    In one thread: on a busy machine, threads that wait for each other take six times as long.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return learned_in_one_thread(utterances, encoder, recipe)


def learned_in_one_thread(utterances: Sequence[Utterance], encoder: Encoder, recipe: Recipe) -> Head:
    learned, held_out = split(utterances)
    intents = tuple(sorted({one.intent for one in utterances}))
    read = reading(encoder, [one.text for one in learned])
    meant = np.array([intents.index(one.intent) for one in learned])
    inside = np.array([one.intent != OUTSIDE for one in learned])
    found = scales(*read)
    weights, bias = fit(features(found, *read), meant, recipe)
    unmeasured = Head(
        language=utterances[0].language,
        intents=intents,
        scales=found,
        weights=weights,
        bias=bias,
        scope=scope_of(read[0][inside]),
        temperature=temperature(read, meant, recipe),
        held_out=len(held_out),
        accuracy=0.0,
    )
    understood = understand(unmeasured, encoder, [one.text for one in held_out])
    right = sum(one.intent == other.intent for one, other in zip(held_out, understood, strict=True))
    return replace(unmeasured, accuracy=right / len(held_out))


def understand(head: Head, encoder: Encoder, texts: Sequence[str]) -> list[Understanding]:
    """Returns what each text means."""
    read = reading(encoder, texts)
    shares = softmax((features(head.scales, *read) @ head.weights + head.bias) / head.temperature)
    familiar = in_scope(head.scope, read[0])
    return [
        Understanding(head.intents[row.argmax()], float(row.max()), share)
        for row, share in zip(shares, familiar, strict=True)
    ]


def reading(encoder: Encoder, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
    """Returns the vectors and the letters of each text, unscaled."""
    return encoder.encode(texts), letters_of(texts)


def fit(rows: Vectors, meant: NDArray[np.int64], recipe: Recipe) -> tuple[Vectors, Vectors]:
    """Returns the weights `[d + b, k]` and bias `[k]` of a multinomial logistic regression.

    Weights lie in the span of the rows, so where there are fewer rows than features they are sought there: the same
    weights in a fifth of the time.
    """
    from sklearn.linear_model import LogisticRegression

    span = np.linalg.qr(rows.T).Q if len(rows) < rows.shape[1] else None
    model = LogisticRegression(
        C=recipe.inverse_regularisation, tol=recipe.tolerance, max_iter=recipe.most_iterations
    ).fit(rows if span is None else rows @ span, meant)
    if not 0 < model.n_iter_.max() < recipe.most_iterations:
        raise ArithmeticError(f"logistic regression stopped after {model.n_iter_.max()} iterations")
    weights, bias = model.coef_.T if span is None else span @ model.coef_.T, model.intercept_
    if weights.shape[1] == 1:  # of two intents, scikit-learn gives the second one's logit over the first one's
        weights, bias = np.hstack([np.zeros_like(weights), weights]), np.append(0.0, bias)
    return weights.astype(np.float32), bias.astype(np.float32)


def temperature(read: tuple[Vectors, Vectors], meant: NDArray[np.int64], recipe: Recipe) -> float:
    """Returns the temperature under which predictions on unseen folds are likeliest: a raw head is not calibrated."""
    from scipy.optimize import minimize_scalar
    from sklearn.model_selection import StratifiedKFold

    vectors, letters = read
    logits, right = list[Vectors](), list[NDArray[np.int64]]()
    folds = StratifiedKFold(recipe.folds, shuffle=True, random_state=recipe.seed).split(vectors, meant)
    for learned, left in folds:
        found = scales(vectors[learned], letters[learned])
        weights, bias = fit(features(found, vectors[learned], letters[learned]), meant[learned], recipe)
        logits.append(features(found, vectors[left], letters[left]) @ weights + bias)
        right.append(meant[left])
        if sum(map(len, right)) >= recipe.enough:
            break
    unseen, truth = np.vstack(logits), np.concatenate(right)

    def loss(logarithm: float) -> float:
        shares = softmax(unseen / np.exp(logarithm))[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(shares, 1e-12)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def softmax(values: Vectors) -> Vectors:
    powers: Vectors = np.exp(values - values.max(axis=1, keepdims=True))
    sums: Vectors = powers.sum(axis=1, keepdims=True)
    return powers / sums


def report(model: LanguageModel) -> LanguageReport:
    return LanguageReport(model.head.language, model.encoder.name, model.head.held_out, model.head.accuracy)


def hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
