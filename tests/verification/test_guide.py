"""A conversation that comes to a goal tells the columns on the way there, and changes no verdict."""

import pytest

from charter.dsl.program import Requirement
from charter.verification.prove.guide import guided
from charter.verification.prove.prove import Settings, subject_of
from charter.verification.prove.pursue import Budget, Holds, Missed, pursue
from tests.verification.test_witnesses import deep, program_of

LINKS = 9
SUBJECT = subject_of(program_of(deep(links=LINKS, beside=3) + "require never_done  never say done\n"), Settings())


def requirement(name: str) -> Requirement:
    """A requirement of the policy."""
    return next(each for each in SUBJECT.program.requirements if each.name == name)


def test_a_conversation_that_breaks_it_tells_every_column_on_the_way() -> None:
    machine, guide = SUBJECT.machine, SUBJECT.guide(requirement("never_done"))
    assert guide is not None
    assert guide.kinds == ("start", *["wants"] * (LINKS + 1))
    found = guided(machine, guide, machine.begins_with(guide.goal), (), SUBJECT.codes.copy(), budget=Budget().path)
    assert {machine.graph.name(column) for column in found} >= {f"got{i}" for i in range(LINKS)}


@pytest.mark.parametrize(("name", "expected"), [("never_done", Missed), ("deep", Holds)])
def test_a_guide_changes_nothing_but_the_way(name: str, expected: type) -> None:
    machine, program, goal = SUBJECT.machine, SUBJECT.program, SUBJECT.machine.goals[name]
    for guide in SUBJECT.guide(requirement("never_done")), None:
        found = pursue(machine, program, goal, SUBJECT.codes.copy(), Budget(alone=0), guide)
        assert isinstance(found, expected)
        assert not isinstance(found, Missed) or len(found.events) == LINKS + 2
