"""What stands of proofs after an edit is seen at once, and nothing is said to stand that does not."""

from functools import cache
from pathlib import Path

import pytest

from charter.dsl.load import Loaded, load, load_text
from charter.dsl.program import Program
from charter.verification.mutate.mutants import Refused, compiled, mutants
from charter.verification.prove.prove import Settings, prove, proved, subject_of
from charter.verification.prove.standing import Standing
from charter.verification.prove.verdicts import Proved

ROOT = Path(__file__).parent.parent.parent
SMALL = ROOT / "tests" / "corpus" / "good" / "whole" / "seven_rules.charter"


@cache
def loaded(path: Path) -> Loaded:
    """A policy."""
    found = load(path)
    assert isinstance(found, Loaded)
    return found


@cache
def standing(path: Path) -> Standing:
    """What is proved of it."""
    subject = subject_of(loaded(path).program, Settings())
    verdicts = {result.name: result.verdict for result in proved(subject, Settings().limits)}
    return Standing(subject, {name: found for name, found in verdicts.items() if isinstance(found, Proved)})


def stands(program: Program, path: Path = SMALL) -> bool:
    """Whether all that is proved of the policy is proved of the program."""
    return standing(path).of(program, Settings())


def test_the_same_policy_stands() -> None:
    assert stands(loaded(SMALL).program)


def test_it_agrees_with_proofs_from_the_start_on_every_mutant() -> None:
    fates = []
    for mutant in mutants(loaded(SMALL)):
        program = compiled(mutant, loaded(SMALL).sources)
        assert not isinstance(program, Refused)
        cold = {result.name for result in prove(program, Settings()) if isinstance(result.verdict, Proved)}
        fates.append((stands(program), standing(SMALL).proved.keys() <= cold))
    assert {fate for fate in fates if fate[0]} == {(True, True)}
    assert (False, False) in fates
    assert 2 * sum(at_once for at_once, _ in fates) > sum(cold for _, cold in fates)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("classify.confidence known>= 0.6", "classify.confidence known>= 0.7"),
        ("  disclose recording before say any", "  disclose recording before collect any or say any"),
        ("  within 2 s", "  within 2 s  up to 2 times"),
    ],
)
def test_more_than_rules_is_worked_on_from_the_start(old: str, new: str) -> None:
    text = SMALL.read_text(encoding="utf-8")
    assert old in text
    other = load_text(text.replace(old, new))
    assert isinstance(other, Loaded)
    assert not stands(other.program)
