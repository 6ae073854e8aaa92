"""What a proof rests on: rules, parts of guards and assumptions, and what no proof needs."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from charter.dsl.load import Loaded, load_text
from charter.verification.explain.guard_parts import Part
from charter.verification.explain.why import Rests, Why, why
from charter.verification.mutate.mutants import Refused, compiled, mutants
from charter.verification.prove.prove import Settings, prove, proved, subject_of
from charter.verification.show.commands import verify_command
from charter.verification.show.report import word

ROOT = Path(__file__).parent.parent.parent
WHOLE = ROOT / "tests" / "corpus" / "good" / "whole" / "seven_rules.charter"
TEXT = WHOLE.read_text(encoding="utf-8")
SPARE = "its confidence >= 0.6"  # `sure` says so already
TWICE = TEXT.replace("sure and its intent == lost_card\n", f"sure and {SPARE} and its intent == lost_card\n")


def loaded_of(text: str) -> Loaded:
    """The policy."""
    loaded = load_text(text)
    assert isinstance(loaded, Loaded), str(loaded)
    return loaded


def found(text: str) -> Why:
    """What its proofs rest on."""
    loaded, settings = loaded_of(text), Settings()
    subject = subject_of(loaded.program, settings)
    return why(loaded, subject, list(proved(subject, settings.limits)), None, settings.limits)


def on(of: Why, name: str) -> set[tuple[str | None, str | None]]:
    """What one proof rests on, as rules and texts."""
    return {(part.rule, part.text) for each in of.rests if each.name == name for part in on_parts(each)}


def on_parts(rests: Rests) -> tuple[Part, ...]:
    """The parts, which can be told."""
    assert isinstance(rests.on, tuple)
    return rests.on


def test_a_proof_rests_on_the_rules_and_guards_that_it_needs() -> None:
    of = found(TEXT)
    assert on(of, "recording_first") == {("greet", None)}
    assert {("lost", None), ("lost", "sure"), ("lost", "its intent == lost_card")} <= on(of, "lost_card_to_the_desk")
    assert ("hours", None) not in on(of, "lost_card_to_the_desk")
    defines = {d for each in of.rests for part in on_parts(each) for d in part.defines}
    assert defines == {"sure"}
    assert of.spare is not None
    assert ("hours", "sure") in {(part.rule, part.text) for part in of.spare}
    assert ("lost", "its intent == lost_card") not in {(part.rule, part.text) for part in of.spare}


def test_what_no_proof_needs_can_be_left_out_and_all_is_still_proved() -> None:
    of = found(TWICE)
    assert of.spare is not None
    mine = [part for part in of.spare if part.rule == "lost"]
    assert [part.text for part in mine] == ["sure", SPARE]
    loaded = loaded_of(TWICE)
    for part in mine:
        (without,) = (m for m in mutants(loaded) if m.kind == "guard" and m.span == part.span)
        program = compiled(without, loaded.sources)
        assert not isinstance(program, Refused)
        assert {word(result.verdict) for result in prove(program, Settings())} == {"proved"}


def test_a_proof_rests_on_what_is_assumed_of_a_tool() -> None:
    text = (ROOT / "tests" / "corpus" / "good" / "assumptions" / "of_a_tool.charter").read_text(encoding="utf-8")
    of = found(text + "fact years: int 0..149 = 0\nrule age on find do set years = its age\n")
    assert (None, "its owner == its phone and its age < 150") in on(of, "in range")


@pytest.mark.parametrize(("only", "code"), [("recording_first", 0), ("no_such_thing", 2)])
def test_the_command_tells_of_one_requirement(only: str, code: int) -> None:
    run = CliRunner().invoke(verify_command, [str(WHOLE), "--json", "--why", only])
    assert run.exit_code == code, run.output
    if code:
        assert "no_such_thing" in run.stderr
    else:
        report = json.loads(run.stdout)
        schema = json.loads((ROOT / "docs" / "schemas" / "verified.json").read_text(encoding="utf-8"))
        Draft202012Validator(schema).validate(report)
        assert list(report[0]["rests_on"]) == ["recording_first"]
        assert [each["rule"] for each in report[0]["rests_on"]["recording_first"]["rules"]] == ["greet"]
        assert report[0]["spare"] is None
