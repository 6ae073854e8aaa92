"""What a goal sees of a step is the same whether the step was looked at for another goal before or not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from charter.dsl.load import Loaded, load
from charter.verification.prove.machine import Machine
from charter.verification.prove.pictures import Picture, pictured
from charter.verification.prove.prove import Settings, subject_of

ROOT = Path(__file__).parents[2]
POLICIES = [ROOT / "rules" / "card_support", *sorted((ROOT / "tests" / "corpus" / "good" / "requirements").iterdir())]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_goals_see_the_same_when_others_have_looked_before(path: Path) -> None:
    loaded = load(path)
    assert isinstance(loaded, Loaded)
    subject = subject_of(loaded.program, Settings())
    for goal in subject.machine.goals.values():
        alone = subject.machine.supposing(subject.facts.clauses).requiring([goal])
        kept = alone.begins_with(goal)
        first, later = (pictured(machine, goal, kept, ()) for machine in (alone, subject.machine))
        assert list(seen(alone, first)) == list(seen(subject.machine, later))


def seen(machine: Machine, picture: Picture) -> Iterator[tuple[object, ...]]:
    """Which kinds look alike, and which kept columns they look at and change; inputs may be numbered otherwise."""
    for part in (picture.steps, picture.misses):
        for each in sorted(part, key=lambda each: each.kinds):
            after = {column: machine.mentioned([then]) for column, then in each.after.items()}
            yield each.kinds, machine.mentioned([each.goes]), after
