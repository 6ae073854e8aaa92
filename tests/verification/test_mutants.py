"""Mutants: each leaves one thing out, in the author's words; and what becomes of them."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from charter.cli import main
from charter.dsl.load import Loaded, load_text
from charter.dsl.program import Program
from charter.verification.compare.equivalence import normal
from charter.verification.explain.shared_defines import shared_defines
from charter.verification.mutate import mutation
from charter.verification.mutate.mutants import Refused, compiled, mutants
from charter.verification.mutate.mutation import Effort, Fate, judged, sampled
from tests.verification.generated import policies
from tests.verification.variants import SEVEN_RULES, policy

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
EVERYTHING = """policy p
  languages en
  fallback queue general
queue general within 30 s
agent hear suggests { sure: bool, loud: bool } within 1 s
agent feel suggests { sad: bool } within 1 s
disclosure notice { en "This call is recorded." }
prompt hello { en "Hello." }
fact card: id?
define clear = hear.sure known== true and hear.loud known== true
rule greet  on start  do disclose notice  say hello
rule again  on silence  do disclose notice  say hello
rule listen on utterance or keys  do ask hear, feel  say hello
section "heard" when not (clear and card is unknown) {
  rule usual   on hear  do note "usual"
  rule special overrides usual on hear (when its sure and (its loud or clear))  do note "special"
}
rule known on feel when card is known and card == "a"  do note "known"
rule lost  on hear fails or feel fails  do escalate general because "lost"
rule over  on escalate general fails  do end because "nobody"
require told  disclose notice before say any
"""


def everything() -> Loaded:
    loaded = load_text(EVERYTHING)
    assert isinstance(loaded, Loaded), loaded
    return loaded


def said(loaded: Loaded, kind: str) -> list[str]:
    return [f"{mutant.span.line}: {mutant.what}" for mutant in mutants(loaded) if mutant.kind == kind]


def test_each_part_of_a_guard_is_left_out_once() -> None:
    assert said(everything(), "guard") == [
        "14: without `not (clear and card is unknown)`",
        "14: without `clear`",
        "14: without `card is unknown`",
        "16: rule special without `its sure`",
        "16: rule special without `its loud or clear`",
        "18: rule known without `card is known`",
        '18: rule known without `card == "a"`',
    ]


def test_each_act_override_and_disclosure_is_left_out_once() -> None:
    loaded = everything()
    assert said(loaded, "act") == [
        "11: rule greet without `disclose notice`",
        "11: rule greet without `say hello`",
        "12: rule again without `disclose notice`",
        "12: rule again without `say hello`",
        "13: rule listen without `ask hear`",
        "13: rule listen without `ask feel`",
        "13: rule listen without `say hello`",
        '15: rule usual without `note "usual"`',
        '16: rule special without `note "special"`',
        '18: rule known without `note "known"`',
        '19: rule lost without `escalate general because "lost"`',
        '20: rule over without `end because "nobody"`',
    ]
    assert said(loaded, "override") == ["16: rule special does not override `usual`"]
    assert said(loaded, "disclosure") == ["11: `disclose notice` left out everywhere"]


def test_a_define_is_changed_at_one_use_at_a_time() -> None:
    loaded = everything()
    assert said(loaded, "define") == [
        "14: with `clear` without `hear.sure known== true`",
        "14: with `clear` without `hear.loud known== true`",
        "16: rule special with `clear` without `hear.sure known== true`",
        "16: rule special with `clear` without `hear.loud known== true`",
    ]
    changed = [compiled(mutant, loaded.sources) for mutant in mutants(loaded) if mutant.kind == "define"]
    programs = [program for program in changed if isinstance(program, Program)]
    assert len(programs) == 4
    assert len({program.digest for program in (loaded.program, *programs)}) == 5
    assert all(normal(a) != normal(b) for i, a in enumerate((loaded.program, *programs)) for b in programs[i:])


def test_a_mutant_that_is_no_policy_is_refused_with_the_reason() -> None:
    loaded = everything()
    (mutant,) = [mutant for mutant in mutants(loaded) if mutant.what == "rule known without `card is known`"]
    refused = compiled(mutant, loaded.sources)
    assert isinstance(refused, Refused)
    assert "may be unknown" in refused.diagnostics[0].message


def test_every_mutant_of_a_generated_policy_is_refused_or_another_program() -> None:
    programs = 0
    for _, loaded in policies(8, seed=60):
        for mutant in mutants(loaded):
            program = compiled(mutant, loaded.sources)
            if not isinstance(program, Refused):
                programs += 1
                assert program.digest != loaded.program.digest
                assert mutant.documents != tuple(parsed.document for parsed in loaded.files)
    assert programs > 100


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    loaded = policy()
    assert sampled(loaded, 5, seed=1) == sampled(loaded, 5, seed=1)
    assert len(sampled(loaded, 5, seed=1)) == 5
    assert sampled(loaded, None, seed=1) == sampled(loaded, 1_000, seed=2) == tuple(mutants(loaded))


@pytest.mark.parametrize(
    ("what", "fate", "by"),
    [
        ("rule greet without `disclose recording`", Fate.KILLED, "verify: recording_first"),
        (
            "rule greet without `say how_can_i_help`",
            Fate.SURVIVING,
            'everything is proved; the test "a lost card goes to the card desk" fails',
        ),
        ("rule hours without `its intent == opening_hours`", Fate.SURVIVING, "everything is proved; no test fails"),
        ("rule lost without `classify.confidence known>= 0.6`", Fate.EQUIVALENT, "proved to act alike"),
    ],
)
def test_mutants_are_killed_equivalent_or_surviving(what: str, fate: Fate, by: str) -> None:
    doubled = "sure and classify.confidence known>= 0.6 and its intent == lost_card"
    loaded = policy(("when sure and its intent == lost_card", f"when {doubled}"))
    chosen = [mutant for mutant in mutants(loaded) if mutant.what == what]
    assert [(each.fate, each.by) for each in judged(loaded, chosen, Effort(steps=1_000))] == [(fate, by)]


def test_without_proofs_what_fuzzing_breaks_is_refuted_and_the_rest_is_left_open() -> None:
    loaded = policy()
    found = list(judged(loaded, tuple(mutants(loaded)), Effort(steps=1_000, only_fuzzed=True)))
    assert len(found) == 18
    assert {each.fate for each in found} == {Fate.KILLED, Fate.UNKNOWN}
    assert sum(each.fate is Fate.KILLED for each in found) >= 8


def test_a_mutant_that_cannot_be_judged_ends_the_run_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks_down(*_: object, **__: object) -> None:
        raise ValueError("out of order")

    monkeypatch.setattr(mutation, "fuzz", breaks_down)
    result = charter("mutate", str(SEVEN_RULES), "--sample", "1", "--steps", "10", "--only-fuzzed")
    assert result.exit_code == 1
    assert "internal error: ValueError: out of order" in result.stderr
    assert "seven_rules.charter:" in result.stderr


def test_defines_that_a_requirement_shares_with_the_rules_are_named() -> None:
    loaded = policy(("human wanted when classify.intent known== human", "human wanted when sure"))
    assert shared_defines(parsed.document for parsed in loaded.files) == {
        "human_wanted": ("sure",),
        "lost_card_to_the_desk": ("sure",),
    }


# --- the command -----------------------------------------------------------------------------------------------------


def charter(*args: str) -> Result:
    return CliRunner().invoke(main, args, catch_exceptions=False)


def test_mutate_says_what_became_of_each_and_exits_0_where_none_is_missed() -> None:
    result = charter("mutate", str(SEVEN_RULES), "--sample", "4", "--seed", "2", "--steps", "1000")
    assert result.exit_code == 0
    assert "surviving  seven_rules.charter:" in result.stdout
    assert "4 mutants: " in result.stdout
    assert "lost_card_to_the_desk shares `sure` with the rules" in result.stdout


def test_what_mutate_prints_as_json_fits_its_schema() -> None:
    result = charter("mutate", str(SEVEN_RULES), "--sample", "2", "--steps", "500", "--json")
    found = json.loads(result.stdout)
    jsonschema.validate(found, json.loads((SCHEMAS / "mutated.json").read_text()))
    assert [each["path"] for each in found] == [str(SEVEN_RULES)]


def test_a_wrong_policy_exits_2() -> None:
    assert charter("mutate", "nowhere.charter").exit_code == 2
