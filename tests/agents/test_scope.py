"""Features and scope: what letters catch, and that what is unlike anything learned stands out."""

import importlib.util

import pytest

if importlib.util.find_spec("numpy") is None:
    pytest.skip("the local models are not installed: pip install charter[ml]", allow_module_level=True)

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from charter.agents.features import BUCKETS, features, letters_of, scales, sequences
from charter.agents.scope import in_scope, scope_of

TEXTS = st.lists(st.text(max_size=40), min_size=2, max_size=6)


def test_a_word_is_its_sequences_of_letters_with_its_edges() -> None:
    assert sequences("Ab!") == {" a": 1, "ab": 1, "b ": 1, " ab": 1, "ab ": 1, " ab ": 1}
    assert sequences("?! …") == {}


def test_words_that_share_a_stem_are_nearer_than_words_that_do_not() -> None:
    rows = letters_of(["Geheimzahl", "Geheimnummer", "Kontostand"])
    near = rows @ rows.T
    assert near[0, 1] > 3 * near[0, 2]


@given(TEXTS)
def test_features_have_length_one_in_both_parts_or_are_nothing(texts) -> None:
    letters = letters_of(texts)
    vectors = np.random.default_rng(0).normal(size=(len(texts), 8)).astype(np.float32)
    rows = features(scales(vectors, letters), vectors, letters)
    assert rows.shape == (len(texts), 8 + BUCKETS)
    for part in (rows[:, :8], rows[:, 8:]):
        lengths = np.linalg.norm(part, axis=1)
        assert np.all(np.isclose(lengths, 1, atol=1e-4) | np.isclose(lengths, 0, atol=1e-4))


def test_about_the_stated_share_of_like_vectors_is_below_a_threshold() -> None:
    random = np.random.default_rng(1)
    middle = random.normal(size=32)

    def like(count: int):
        return (middle + random.normal(size=(count, 32))).astype(np.float32)

    scope = scope_of(like(1000))
    shares = np.array(in_scope(scope, like(2000)))
    assert np.all((shares > 0) & (shares <= 1))
    assert 0.05 < (shares <= 0.1).mean() < 0.15
    foreign = np.array(in_scope(scope, random.normal(size=(500, 32)).astype(np.float32)))
    assert (foreign <= 0.1).mean() > 0.9
