"""Every rule fires or is dead, and what agents could do if a guard were not there."""

import json
from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from charter.dsl.load import Loaded, load_text
from charter.verification.explain.deep_report import Deep, deep_json, deep_text
from charter.verification.explain.misbehaviour import misbehaviours
from charter.verification.explain.why import why
from charter.verification.prove.prove import Settings, proved, subject_of
from charter.verification.prove.pursue import Budget
from charter.verification.prove.standing import Standing
from charter.verification.show.commands import verify_command
from charter.verification.workers import Limits

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "tests" / "corpus" / "good" / "whole" / "seven_rules.charter").read_text(encoding="utf-8")
DEAD = "rule never on classify when sure and its confidence < 0.5 do say say_again\n"
SETTLING = """
policy small
  languages en
  fallback queue general
queue general within 30 s
tool write(key: id) returns { done: bool } writes within 1 s
prompt hello { en "Hello." }
fact gone: bool = false
fact kept: bool = false
rule greet on start do say hello call write(key: "1")
rule hear on utterance or keys or silence do say hello
rule failed on write fails or write uncertain do escalate general
rule nobody on escalate any fails do end because "nobody"
rule went on hangup do set gone = true
rule heard on write when not gone do say hello
rule settled on write when gone do set kept = true
"""


def deep(folder: Path, text: str) -> Result:
    """What the command says of a policy."""
    policy = folder / "policy.charter"
    policy.write_text(text, encoding="utf-8")
    return CliRunner().invoke(verify_command, [str(policy), "--deep", "--json"])


def test_every_rule_has_a_conversation_and_what_agents_could_do_is_shown(tmp_path: Path) -> None:
    run = deep(tmp_path, TEXT)
    assert run.exit_code == 0, run.output
    schema = json.loads((ROOT / "docs" / "schemas" / "verified.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(json.loads(run.stdout))
    (report,) = json.loads(run.stdout)
    assert {each["rule"]: len(each["conversation"]) for each in report["rules"]} == {
        "greet": 1,
        "listen": 2,
        "lost": 3,
        "hours": 3,
        "unclear": 2,
        "person": 3,
        "nobody": 4,
    }
    assert report["always_moves"] is True
    (could,) = report["misbehaviour"]
    assert (could["agent"], could["requirement"]) == ("classify", "no excluded acts")
    assert (could["rule"], could["without"]) == ("lost", "its intent == lost_card")
    assert could["conversation"][-1] == "classify suggests intent: human, confidence: 0.6"


def test_what_is_not_decided_of_agents_is_said() -> None:
    loaded = load_text(TEXT)
    assert isinstance(loaded, Loaded)
    subject = subject_of(loaded.program, Settings())
    results = list(proved(subject, Limits()))
    little = Standing.after(replace(subject, budget=Budget(invariant=1, path=1, walk=1)), results)
    could = tuple(misbehaviours(loaded, why(loaded, subject, results, None, Limits()), little, Limits()))
    deep = Deep((), True, could)
    assert "unknown  whether classify could break answered if rule lost did not ask for `its intent == lost_card`" in (
        line.partition("  seven_rules")[0].partition("  policy")[0] for line in deep_text(loaded.program, deep)
    )
    report = deep_json(loaded.program, deep)["misbehaviour"]
    assert {each["requirement"] for each in report if "why" in each} >= {"lost_card_to_the_desk", "answered"}
    assert not any("conversation" in each for each in report)


def test_a_rule_that_cannot_fire_is_dead_and_fails(tmp_path: Path) -> None:
    run = deep(tmp_path, TEXT.replace("rule greet ", f"{DEAD}rule greet "))
    assert run.exit_code == 1, run.output
    (report,) = json.loads(run.stdout)
    assert [each["rule"] for each in report["rules"] if each["life"] == "dead"] == ["never"]


def test_a_rule_that_fires_only_after_the_end_is_not_dead(tmp_path: Path) -> None:
    run = deep(tmp_path, SETTLING)
    assert run.exit_code == 0, run.output
    (report,) = json.loads(run.stdout)
    assert {each["life"] for each in report["rules"]} == {"fires"}
    assert len(next(each for each in report["rules"] if each["rule"] == "settled")["conversation"]) == 3
