"""Verdicts on small policies: each can be read at a glance, so what must come out is known."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from charter.dsl.load import Loaded, load, load_text
from charter.dsl.rehearse import rehearse
from charter.verification.prove.prove import Settings, prove
from charter.verification.prove.pursue import Budget
from charter.verification.prove.verdicts import Proved, Refuted, Result, Unknown, Vacuous
from charter.verification.show.commands import verify_command
from charter.verification.show.report import text as report
from charter.verification.show.report import word
from charter.verification.show.reproduce import test_block as block_of
from charter.verification.workers import Limits

ROOT = Path(__file__).parent.parent.parent
HEADER = """
policy small
  languages en
  fallback queue general
enum Intent { yes, no }
queue general within 30 s
queue desk within 30 s
agent guess suggests { intent: Intent, sure: decimal(2) 0..1 } within 300 ms
tool look(key: id) returns { found: bool } reads within 1 s
tool write(key: id) returns { done: bool } writes within 1 s
disclosure notice { en "Notice." }
prompt hello { en "Hello." }
prompt bye { en "Bye." }
fact key: id?
rule failed on guess fails or look fails or write fails or write uncertain do escalate general
rule nobody on escalate any fails do end because "nobody"
rule quiet on silence or keys do say hello
"""
GREETED = "rule greet on start do disclose notice say hello\nrule hear on utterance do say hello\n"
ASKED = """
rule greet on start do disclose notice say hello
rule hear on utterance do ask guess
rule yes on guess when its intent == yes and its sure >= 0.5 do say bye
rule no on guess when its intent == no or its sure < 0.5 do escalate desk
"""


@dataclass(frozen=True, slots=True)
class Case:
    """Rules and a requirement, with the verdict on it and how many events a counterexample has."""

    rules: str
    requirement: str
    verdict: str
    events: int = 0


CASES = {
    "notice before speech": Case(GREETED, "disclose notice before say any", "proved"),
    "speech without notice": Case("rule greet on start do say hello", "disclose notice before say any", "refuted", 1),
    "speech after the notice only": Case(
        "rule greet on start do say hello\nrule hear on utterance do disclose notice",
        "say hello only after disclose notice",
        "refuted",
        1,
    ),
    "escalation in this turn": Case(ASKED, "whenever guess.intent known== no: escalate any in this turn", "proved"),
    "no escalation in this turn": Case(
        ASKED, "whenever guess.intent known== yes: escalate any in this turn", "refuted", 3
    ),
    "a bound just under the guard": Case(ASKED, "whenever guess.sure known< 0.5: escalate desk in this turn", "proved"),
    "a bound just over the guard": Case(
        ASKED, "whenever guess.sure known< 0.51: escalate desk in this turn", "refuted", 3
    ),
    "never what is never done": Case(GREETED, "never say bye", "vacuous"),
    "never what is done": Case(ASKED, "never say bye", "refuted", 3),
    "once": Case(GREETED, "disclose notice once", "proved"),
    "more than once": Case(GREETED, "say hello once", "refuted", 2),
    "twice in two turns": Case(GREETED, "say hello at most 2 times", "refuted", 3),
    "once a turn": Case(GREETED, "say hello at most 1 times per turn", "proved"),
    "only if": Case(ASKED, "say bye only if guess.intent known== yes", "proved"),
    "only if, but not always": Case(ASKED, "escalate desk only if guess.intent known== no", "refuted", 3),
    "if and only if": Case(ASKED, "say bye if and only if guess.intent known== yes", "refuted", 3),
    "if and only if, of what never comes": Case(
        GREETED, "escalate desk if and only if guess.intent known== yes", "vacuous"
    ),
    "before end": Case(ASKED, "whenever start: disclose notice before end", "proved"),
    "next": Case(ASKED, "whenever guess: say bye or escalate any next", "proved"),
}


def results(text: str, settings: Settings | None = None) -> dict[str, Result]:
    """The results of a policy, by name; it must load."""
    loaded = load_text(text)
    assert isinstance(loaded, Loaded), str(loaded)
    return {result.name: result for result in prove(loaded.program, settings or Settings())}


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_is_the_one_that_can_be_read_off(name: str) -> None:
    case = CASES[name]
    text = f"{HEADER}{case.rules}\nrequire it\n  {case.requirement}\n"
    verdict = results(text)["it"].verdict
    assert word(verdict) == case.verdict, verdict
    if isinstance(verdict, Refuted):
        assert len(verdict.events) == case.events
        assert verdict.is_shortest
        plays_as_a_test(text, verdict)


def plays_as_a_test(text: str, refuted: Refuted) -> None:
    """The test block of a counterexample can be pasted, and passes."""
    loaded = load_text(text)
    assert isinstance(loaded, Loaded)
    block = block_of(loaded.program, refuted.events, "it")
    assert block is not None
    pasted = load_text(f"{text}\n{block}\n")
    assert isinstance(pasted, Loaded), str(pasted)
    (scenario,) = pasted.scenarios
    assert rehearse(pasted.program, scenario).failures == ()


def test_two_rules_in_conflict_are_found_and_nothing_else_is_called_proved() -> None:
    text = HEADER + GREETED + 'rule a on keys do set key = "1"\nrule b on keys do set key = its digits\n'
    found = results(text + "require it\n  disclose notice before say any\n")
    conflict = found["no conflict"].verdict
    assert isinstance(conflict, Refuted)
    assert [event.kind for event in conflict.events] == ["start", "keys"]
    assert not any(isinstance(result.verdict, Proved) for name, result in found.items() if name == "it")
    assert isinstance(found["it"].verdict, Unknown)


def test_what_is_not_decided_and_breaks_in_play_is_refuted_but_not_called_shortest() -> None:
    text = f"{HEADER}{ASKED}require it\n  say bye only if guess.sure known>= 0.9\n"
    found = results(text, Settings(budget=Budget(length=1), limits=Limits(seconds=60)))
    verdict = found["it"].verdict
    assert isinstance(verdict, Refuted)
    assert (len(verdict.events), verdict.explored, verdict.is_shortest) == (3, 1, False)
    plays_as_a_test(text, verdict)
    loaded = load_text(text)
    assert isinstance(loaded, Loaded)
    shown = [line for _, line in report(loaded, found["it"])]
    assert "       a shorter conversation may break it too, but none of at most 1 events" in shown


def test_what_comes_only_after_an_incident_is_not_called_vacuous() -> None:
    rules = "rule greet on start do say hello\nrule hear on utterance do say bye\n"
    found = results(f"{HEADER}{rules}require first\n  never say hello\nrequire it\n  say bye once per turn\n")
    assert isinstance(found["first"].verdict, Refuted)
    assert isinstance(found["it"].verdict, Unknown)
    assert not isinstance(found["it"].verdict, Vacuous)


def test_an_exhausted_ask_is_never_answered() -> None:
    rules = """
rule greet on start do disclose notice say hello
rule hear on utterance do ask guess
rule again on guess do ask guess
"""
    found = results(f"{HEADER}{rules}require it\n  guess once per turn\n")
    assert word(found["it"].verdict) == "proved"
    assert word(found["within bounds"].verdict) == "proved"


def test_a_whole_policy_is_proved() -> None:
    loaded = load(ROOT / "tests" / "corpus" / "good" / "whole" / "seven_rules.charter")
    assert isinstance(loaded, Loaded)
    verdicts = {result.name: word(result.verdict) for result in prove(loaded.program, Settings())}
    assert set(verdicts.values()) == {"proved"}, verdicts


@pytest.mark.parametrize(
    ("rules", "code"), [(GREETED, 0), ("rule greet on start do say hello\n", 1), ("rule greet on nothing do end\n", 2)]
)
def test_the_command_says_by_its_exit_code_what_came_out(tmp_path: Path, rules: str, code: int) -> None:
    policy = tmp_path / "policy.charter"
    hear = "" if "hear" in rules else "rule hear on utterance do say hello\n"
    policy.write_text(f"{HEADER}{rules}{hear}require it\n  disclose notice before say any\n", encoding="utf-8")
    run = CliRunner().invoke(verify_command, [str(policy), "--json"])
    assert run.exit_code == code, run.output
    if code < 2:
        schema = json.loads((ROOT / "docs" / "schemas" / "verified.json").read_text(encoding="utf-8"))
        Draft202012Validator(schema).validate(json.loads(run.stdout))
