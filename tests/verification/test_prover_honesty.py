"""The prover against brute force: on random small policies, no verdict differs and no counterexample is longer.

`CHARTER_PROOFS` says on how many policies; `make proofs-nightly` tries 400.
"""

from random import Random

import pytest
from explicit import explored

from charter.dsl.load import Loaded, load_text
from charter.dsl.program import Event, Program
from charter.engine.decide import Decider
from charter.engine.rule_kernel import RuleKernel
from charter.verification.generate.policies import Size, draft
from charter.verification.prove.prove import Settings, prove
from charter.verification.prove.verdicts import Refuted, Unknown
from tests.verification.generated import budget

SMALL = Size(facts=2, defines=1, agents=1, tools=1, outside=1, rules=4, requirements=3)
STATES = 300
HONEST = ("it holds, but only while", "mend that first", "than are told apart")  # why something may stay unknown


@pytest.mark.parametrize("seed", range(budget("CHARTER_PROOFS", 8)))
def test_the_verdicts_on_a_random_policy_agree_with_brute_force(seed: int) -> None:
    loaded = load_text(draft(Random(seed), SMALL).text)
    assert isinstance(loaded, Loaded), str(loaded)
    seen = explored(loaded.program, STATES)
    for result in prove(loaded.program, Settings()):
        earliest = seen.broken.get(result.name)
        if isinstance(result.verdict, Unknown):
            why = result.verdict.why
            assert any(said in why for said in HONEST), f"{result.name}: {why}"
        elif isinstance(result.verdict, Refuted):
            # brute force tries few values and one instant, so what it finds may be longer, never shorter
            assert earliest is None or earliest >= len(result.verdict.events), result.name
            assert result.name in broken_by_the_kernel(loaded.program, result.verdict.events)
        else:
            assert earliest is None, f"{result.name} is {result.verdict}, and breaks after {earliest} events"


def broken_by_the_kernel(program: Program, events: tuple[Event, ...]) -> frozenset[str]:
    """What the last of the events breaks, as the rule kernel and the semantics decide it together."""
    decider = Decider(program, RuleKernel(program), lambda: RuleKernel(program))
    state, broken = program.initial, frozenset[str]()
    for event in events:
        decision = decider.decide(state, event)
        state, broken = decision.outcome.state, frozenset(each.requirement for each in decision.outcome.broken)
    return broken
