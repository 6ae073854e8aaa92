"""Generated policies that are loaded, for the laws about them."""

import os
from collections.abc import Iterator
from random import Random

from charter.dsl.load import Loaded, Rejected, load_text
from charter.verification.generate.policies import Draft, Size, draft


def budget(name: str, default: int) -> int:
    """How much to try: the environment variable of that name, or what continuous integration affords."""
    return int(os.environ.get(name, default))


def drafts(count: int, seed: int, size: Size | None = None) -> Iterator[tuple[Random, Draft]]:
    """So many random policies, each with the randomness that goes on from it."""
    for i in range(count):
        rng = Random(f"{seed} {i}")
        yield rng, draft(rng, size)


def loaded(made: Draft) -> Loaded:
    """The policy, which must load."""
    result = load_text(made.text)
    if isinstance(result, Rejected):
        raise AssertionError(f"{result}\n\n{made.text}")
    return result


def policies(count: int, seed: int, size: Size | None = None) -> Iterator[tuple[Random, Loaded]]:
    """So many random policies, loaded."""
    for rng, made in drafts(count, seed, size):
        yield rng, loaded(made)
