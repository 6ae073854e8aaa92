"""The watches that requirements are lowered to, and a reader of whole conversations, agree on every requirement."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from charter.dsl.load import Loaded, Rejected, load
from charter.dsl.program import OVER, Program
from charter.dsl.semantics import step
from charter.verification.generate.events import Outside, conversation, outside
from charter.verification.generate.policies import Size
from charter.verification.reader.conditions import SeenStep
from charter.verification.reader.reader import broken
from charter.verification.reader.trace import plain_facts, seen, unenforced, violations
from tests.verification.generated import budget, policies

TRACES = budget("CHARTER_TRACES", 5_000)
A_POLICY = 20  # conversations of each policy, half of them enforced
REGRESSIONS = sorted(Path(__file__).parent.glob("regressions/*.charter"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a requirement is first broken, as the reader and the watches see it; None where it never is."""

    policy: Loaded
    requirement: str
    trace: list[SeenStep]
    reader: int | None
    watches: int | None


def freely(rng: Random, policy: Loaded, program: Program, world: Outside) -> Iterator[Verdict]:
    """One conversation in which the rules break requirements freely; `world` is that of the unenforced program."""
    free, trace, found = world.program, list[SeenStep](), list[set[str]]()
    for taken in conversation(rng, world, step, length=25):
        if taken.outcome.dropped is None and not taken.state[OVER]:
            trace.append(seen(free, taken.state, taken.event, taken.outcome))
            found.append(violations(program, taken.outcome.state))
    for name, steps in read(policy, trace).items():
        judged = [i for i, at in enumerate(trace) if not at.stopped]  # a safe stop is outside the requirements
        first = next((i for i in judged if i in steps), None)
        yield Verdict(policy, name, trace, first, next((i for i in judged if name in found[i]), None))


def enforced(rng: Random, policy: Loaded, world: Outside) -> Iterator[Verdict]:
    """One conversation in which what would break a requirement is replaced by the safe stop."""
    program, trace = world.program, list[SeenStep]()
    bare = replace(program, requirements=())
    for taken in conversation(rng, world, step, length=25):
        if taken.outcome.dropped is not None or taken.state[OVER]:
            continue
        found = {b.requirement for b in taken.outcome.broken}
        wanted = step(bare, taken.state, taken.event)
        if found and not wanted.broken:  # else something other than a requirement is broken
            at = len(trace)
            would_be = [*trace, seen(bare, taken.state, taken.event, wanted)]
            for name, steps in read(policy, would_be).items():
                yield Verdict(policy, name, would_be, at if at in steps else None, at if name in found else None)
        trace.append(seen(program, taken.state, taken.event, taken.outcome))
    for name, steps in read(policy, trace).items():
        kept = next((i for i in sorted(steps) if not trace[i].stopped), None)
        yield Verdict(policy, name, trace, kept, None)


def verdicts(rng: Random, policy: Loaded, count: int) -> Iterator[Verdict]:
    """The verdicts on so many conversations of either kind."""
    free, bound = outside(unenforced(policy.program)), outside(policy.program)
    for _ in range(count):
        yield from freely(rng, policy, policy.program, free)
        yield from enforced(rng, policy, bound)


def read(policy: Loaded, trace: list[SeenStep]) -> dict[str, set[int]]:
    """What the reader finds."""
    clauses = [clause for file in policy.files for clause in file.document.clauses]
    return broken(clauses, plain_facts(policy.program, policy.program.initial), trace)


def difference(verdict: Verdict) -> str:
    """A disagreement, for people."""
    steps = "\n".join(f"  {i} {at}" for i, at in enumerate(verdict.trace))
    where = f"reader {verdict.reader}, watches {verdict.watches}"
    return f"`{verdict.requirement}`: {where}\n{verdict.policy.sources[0].text}\n{steps}"


def test_the_reader_and_the_watches_agree_on_every_requirement_at_every_step() -> None:
    breaches = met = 0
    for rng, policy in policies(TRACES // A_POLICY, seed=20, size=Size(requirements=6)):
        for verdict in verdicts(rng, policy, A_POLICY // 2):
            assert verdict.reader == verdict.watches, difference(verdict)
            breaches += verdict.reader is not None
            met += verdict.reader is None
    assert breaches > TRACES // 10
    assert met > TRACES


def test_a_watch_left_out_is_noticed_in_many_requirements_that_are_broken_at_all() -> None:
    noticed = mutants = 0
    for rng, policy in policies(12, seed=21, size=Size(requirements=6)):
        broken_at_all = {v.requirement for v in verdicts(rng, policy, 10) if v.reader is not None}
        for requirement in policy.program.requirements:
            for i in range(len(requirement.watches) if requirement.name in broken_at_all else 0):
                watches = (*requirement.watches[:i], *requirement.watches[i + 1 :])
                mutant = replace(policy.program, requirements=(replace(requirement, watches=watches),))
                world = outside(unenforced(mutant))
                found = (v for _ in range(20) for v in freely(rng, policy, mutant, world))
                mutants += 1
                noticed += any(v.reader != v.watches for v in found if v.requirement == requirement.name)
    assert noticed > mutants // 3


def test_there_are_regressions() -> None:
    assert REGRESSIONS


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_the_reader_and_the_watches_agree_on_what_they_once_differed_on(path: Path) -> None:
    policy = load(path)
    assert not isinstance(policy, Rejected), str(policy)
    breaches = 0
    for verdict in verdicts(Random(0), policy, 100):
        assert verdict.reader == verdict.watches, difference(verdict)
        breaches += verdict.reader is not None
    assert breaches
