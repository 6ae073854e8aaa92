"""Two versions: where they act apart, played by both; never called equivalent without a proof; what they require."""

import json
from pathlib import Path
from random import Random

import jsonschema
import pytest
from click.testing import CliRunner, Result

from charter.cli import main
from charter.dsl.program import Program
from charter.verification.compare.equivalence import Equivalent, Identical, Unshown, equivalence
from charter.verification.compare.product import replayed, search
from charter.verification.compare.requirements import Change, compared
from charter.verification.generate.policies import Size
from charter.verification.mutate.mutants import Refused, compiled, mutants
from tests.verification.generated import budget, policies
from tests.verification.variants import SEVEN_RULES, UNCLEAR, UNCLEAR_IN_TWO, policy, text_of

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
POLICIES = budget("CHARTER_DIFFS", 6)
WHENEVER = "whenever sure and classify.intent known== lost_card: escalate card_desk in this turn"
ANY_DESK = WHENEVER, WHENEVER.replace("card_desk in", "any in")
HOURS_AFTER_NOTICE = (
    "require lost_card",
    "require hours_after_notice\n  say opening_hours only after disclose recording\nrequire lost_card",
)
RAIN = "define sure", "event rain {}\ndefine sure"
GREETED = (
    ("define sure", "fact greeted: bool = false\ndefine sure"),
    ("do disclose recording  say how_can_i_help", "do disclose recording  say how_can_i_help  set greeted = true"),
    ("rule listen  on utterance  do", "rule listen  on utterance when greeted  do"),
)


def program(*changes: tuple[str, str]) -> Program:
    return policy(*changes).program


# --- acts ------------------------------------------------------------------------------------------------------------


def test_a_difference_is_found_by_its_shortest_conversation_which_both_play() -> None:
    old, new = program(), program((">= 0.6", ">= 0.7"))
    found = search(old, new, steps=4_000, seed=0).found
    assert [len(apart.events) for apart in found] == [3, 3]
    for apart in found:
        assert replayed(old, new, apart.events) == apart
        assert replayed(old, new, apart.events[:-1]) is None
        confidence = apart.events[-1].fields["confidence"]
        assert isinstance(confidence, int)
        assert 6_000 <= confidence < 7_000


def test_a_change_of_words_is_a_difference() -> None:
    found = search(program(), program(("How can I help you?", "Yes?")), steps=1_000, seed=0).found
    assert [len(apart.events) for apart in found] == [1]


def test_an_incident_is_a_difference_though_it_acts_as_the_rules_did() -> None:
    old, new = program(), program(('  do escalate general because "a person is wanted or needed"', '  do note "so"'))
    assert all("safe stop" in " ".join(apart.key[2]) for apart in search(old, new, steps=2_000, seed=0).found)
    assert search(old, new, steps=2_000, seed=0).found


def test_one_policy_under_other_names_of_rules_is_the_same_program() -> None:
    assert equivalence(program(), program(("rule lost ", "rule lost_card "))) == Identical()


def test_a_rule_written_as_two_is_proved_to_act_alike() -> None:
    assert equivalence(program(), program((UNCLEAR, UNCLEAR_IN_TWO))) == Equivalent()


def test_what_differs_only_where_no_conversation_gets_is_proved_to_act_alike() -> None:
    assert equivalence(program(), program(*GREETED)) == Equivalent()
    assert equivalence(program(*GREETED), program()) == Equivalent()


def test_a_conversation_that_the_prover_finds_is_one_in_which_both_act_apart() -> None:
    old, new = program(), program((">= 0.6", ">= 0.7"), (WHENEVER, WHENEVER.replace("sure", "false")))
    shown = equivalence(old, new, beside=("lost_card_to_the_desk",))
    assert isinstance(shown, Unshown)
    apart = replayed(old, new, shown.events)
    assert apart is not None
    assert [event.kind for event in apart.events] == ["start", "utterance", "classify"]


def test_versions_in_which_not_the_same_can_happen_are_not_called_equivalent() -> None:
    old, new = program(), program(RAIN)
    assert not search(old, new, steps=1_000, seed=0).found
    assert equivalence(old, new) == Unshown("what can happen differs: `rain`")


def test_what_is_proved_to_act_alike_is_never_found_apart() -> None:
    proved = apart = 0
    for rng, loaded in policies(POLICIES, seed=50, size=Size(rules=8)):
        every = list(mutants(loaded))
        for mutant in Random(rng.random()).sample(every, min(6, len(every))):
            other = compiled(mutant, loaded.sources)
            if isinstance(other, Refused):
                continue
            found = search(loaded.program, other, steps=600, seed=1).found
            shown = equivalence(loaded.program, other)
            assert not found or isinstance(shown, Unshown), f"{mutant}\n{loaded.sources[0].text}"
            proved += not isinstance(shown, Unshown)
            apart += bool(found)
    assert proved
    assert apart


# --- requirements ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (ANY_DESK, Change.WEAKER),
        ((WHENEVER, WHENEVER.replace("sure and classify", "not not sure and classify")), Change.SAME),
        (("disclose recording before say any", "disclose recording before say say_again"), Change.WEAKER),
        ((WHENEVER, "never say opening_hours"), Change.CHANGED),
    ],
)
def test_a_changed_requirement_is_weaker_or_stronger_than_it_was(change: tuple[str, str], expected: Change) -> None:
    old, new = program(), program(change)
    assert [each.change for each in compared(old, new)] == [expected]
    turned = {Change.WEAKER: Change.STRONGER}
    assert [each.change for each in compared(new, old)] == [turned.get(expected, expected)]


def test_requirements_are_gained_and_lost() -> None:
    new = program(("recording_first", "notice_first"))
    assert [(each.name, each.change) for each in compared(program(), new)] == [
        ("notice_first", Change.GAINED),
        ("recording_first", Change.LOST),
    ]


# --- the command -----------------------------------------------------------------------------------------------------


def charter(*args: str) -> Result:
    return CliRunner().invoke(main, args, catch_exceptions=False)


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ((), 0, "equivalent: the same program"),
        (((UNCLEAR, UNCLEAR_IN_TWO),), 0, "equivalent: proved to act alike on every path without an incident"),
        (
            (HOURS_AFTER_NOTICE,),
            0,
            "where hours_after_notice are proved as well",
        ),
        (((">= 0.6", ">= 0.7"),), 1, "→ say say_again"),
        ((ANY_DESK,), 1, "weakened        requirement lost_card_to_the_desk"),
        (GREETED, 0, "equivalent: proved to act alike"),
        ((RAIN,), 3, "unknown: not decided whether they act alike"),
        ((), 2, ""),
    ],
)  # fmt: skip
def test_diff_says_what_it_knows_and_exits_by_it(
    tmp_path: Path, changes: tuple[tuple[str, str], ...], code: int, says: str
) -> None:
    file = tmp_path / "new.charter"
    file.write_text(text_of(*changes) if code != 2 else "policy")
    result = charter("diff", str(SEVEN_RULES), str(file), "--steps", "2000")
    assert (result.exit_code, says in result.stdout) == (code, True), result.stdout
    if code != 2:
        found = json.loads(charter("diff", str(SEVEN_RULES), str(file), "--steps", "2000", "--json").stdout)
        jsonschema.validate(found, json.loads((SCHEMAS / "compared.json").read_text()))
        assert found["verdict"] == {0: "equivalent", 1: "different", 3: "unknown"}[code]
