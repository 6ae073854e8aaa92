"""No verdict depends on how numbers are laid out: as rows of flags, or as numbers."""

from pathlib import Path

import pytest

from charter.dsl.load import Loaded, load
from charter.verification.prove.prove import Settings, prove
from charter.verification.prove.pursue import Budget
from charter.verification.show.report import word

GOOD = Path(__file__).parent.parent / "corpus" / "good"
POLICIES = sorted(GOOD.glob("*/*.charter"))
SMALL = Budget(invariant=4_000_000, path=4_000_000, walk=20_000_000, length=8)
UNDECIDED = {"every_form": {"once_per_turn"}}  # with numbers and a small budget, by policy


def verdicts(file: Path, *, rows: bool) -> dict[str, str]:
    """The verdicts on a policy, by name."""
    loaded = load(file)
    assert isinstance(loaded, Loaded)
    budget = Budget() if rows else SMALL
    return {each.name: word(each.verdict) for each in prove(loaded.program, Settings(budget, rows=rows))}


def test_there_are_policies() -> None:
    assert len(POLICIES) >= 12


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_verdicts_are_the_same_with_both_layouts(file: Path) -> None:
    as_rows, as_numbers = verdicts(file, rows=True), verdicts(file, rows=False)
    for name in UNDECIDED.get(file.stem, set()):
        assert as_numbers.pop(name) == "unknown"
        del as_rows[name]
    assert as_numbers == as_rows
