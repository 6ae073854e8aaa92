"""What was not decided may still be broken, and play may show it: a last resort, of a fixed seed and number of steps.

The walks of the fuzzer find what lies deep and needs values that the solver does not come to. What they find is a
refutation like any other, replayed, but nobody knows whether it is a shortest one.
"""

from typing import TypeAlias

from charter.dsl.program import Program
from charter.verification.fuzz.pieces import PIECE, Shown, fuzz
from charter.verification.fuzz.play import Fault, semantics_alone
from charter.verification.fuzz.search import ALL, Budget
from charter.verification.prove.conversation import Replayed, replayed
from charter.verification.prove.hints import in_order

SEED = 0

Breaks: TypeAlias = dict[str, Replayed]


def breaks(program: Program) -> Breaks:
    """For each goal that playing breaks a conversation that does."""
    shown = fuzz(program, semantics_alone, Budget(PIECE, findings=ALL), seed=SEED).found
    played = {each.finding.name: _replayed(program, each) for each in shown}
    return {name: found for name, found in played.items() if isinstance(found, Replayed)}


def _replayed(program: Program, shown: Shown) -> Replayed | None:
    """The conversation as the prover tells one, if the meaning of the program agrees."""
    if shown.finding.fault not in (Fault.BROKEN, Fault.STOPPED):
        return None
    taken = tuple(step.event for step in shown.steps if step.outcome.dropped is None)
    found = replayed(program, taken, shown.finding.name)
    return found if isinstance(found, Replayed) and in_order(program, found.events, found.outcomes) else None
