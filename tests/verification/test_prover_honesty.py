"""The prover against brute force: on random small policies, no verdict differs and no counterexample is longer."""

from random import Random

import pytest
from explicit import explored

from charter.dsl.load import Loaded, load_text
from charter.verification.generate import Size, draft
from charter.verification.prove import Settings, prove
from charter.verification.verdicts import Refuted, Unknown

SMALL = Size(facts=2, defines=1, agents=1, tools=1, outside=1, rules=4, requirements=3)
STATES = 300


@pytest.mark.parametrize("seed", range(8))
def test_the_verdicts_on_a_random_policy_agree_with_brute_force(seed: int) -> None:
    loaded = load_text(draft(Random(seed), SMALL).text)
    assert isinstance(loaded, Loaded), str(loaded)
    seen = explored(loaded.program, STATES)
    for result in prove(loaded.program, Settings()):
        earliest = seen.broken.get(result.name)
        if isinstance(result.verdict, Unknown):
            assert "internal error" not in result.verdict.why, f"{result.name}: {result.verdict.why}"
        elif isinstance(result.verdict, Refuted):
            assert earliest is None or earliest == len(result.verdict.events), result.name
        else:
            assert earliest is None, f"{result.name} is {result.verdict}, and breaks after {earliest} events"
