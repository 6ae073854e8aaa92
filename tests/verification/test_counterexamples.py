"""Every form of requirement, refuted: what is said of it, and the printed test, pasted as it is.

`python tests/verification/test_counterexamples.py --bless` writes beside each policy what is said. Read the difference.
"""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from charter.cli import main
from charter.dsl.load import Loaded, load, load_text
from charter.dsl.program import Event, EventKind
from charter.dsl.semantics import replays
from charter.dsl.syntax import tree as s
from charter.verification.show.report import shown
from charter.verification.show.transcript import transcript

CORPUS = Path(__file__).parent.parent / "corpus" / "refuted"
POLICIES = sorted(CORPUS.glob("*.charter"))
START = 1_767_225_600_000
WITHOUT_TEST = {  # a test cannot expect what contradicts itself, nor choose the order of failures that come at once
    "conflict",
    "excluded_acts",
    "out_of_range",
    "two_exhausted_at_once",
}


def refuted(policy: Path) -> dict[str, dict[str, object]]:
    """What `charter verify --json` says of each goal that is refuted."""
    run = CliRunner().invoke(main, ["verify", str(policy), "--json"], catch_exceptions=False)
    assert run.exit_code == 1, run.output
    (report,) = json.loads(run.stdout)
    return {each["name"]: each for each in report["results"] if each["verdict"] == "refuted"}


def said(found: dict[str, dict[str, object]]) -> str:
    return "".join(f"{each['why']}\n" for each in found.values())


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.stem)
def test_a_counterexample_says_why_and_its_test_can_be_pasted(policy: Path, tmp_path: Path) -> None:
    found = refuted(policy)
    assert said(found) == policy.with_suffix(".txt").read_text(encoding="utf-8")
    blocks = [str(each["test"]) for each in found.values() if each["test"] is not None]
    assert len(blocks) == (0 if policy.stem in WITHOUT_TEST else len(found))
    pasted = tmp_path / policy.name
    pasted.write_text("\n".join([policy.read_text(encoding="utf-8"), *blocks]) + "\n", encoding="utf-8")
    run = CliRunner().invoke(main, ["test", str(pasted)], catch_exceptions=False)
    assert run.exit_code == 0, run.output
    assert f"{len(blocks)} test" in run.output


def test_every_form_of_requirement_is_refuted_somewhere() -> None:
    loaded = [load(policy) for policy in POLICIES]
    forms = [each.form for one in loaded if isinstance(one, Loaded) for each in one.names.requirements.values()]
    assert {type(form) for form in forms} == set(s.Form.__args__)
    assert {form.deadline for form in forms if isinstance(form, s.Whenever)} == {"in this turn", "next", "before end"}


def test_a_transcript_reads_like_a_conversation() -> None:
    loaded = load(CORPUS / "in_this_turn.charter")
    assert isinstance(loaded, Loaded)
    events = (
        Event(EventKind("start"), {"channel": "voice", "language": "en", "caller": None}, START),
        Event(EventKind("utterance"), {"text": "…"}, START + 3_600_000),
        Event(EventKind("guess"), {"intent": "lost", "sure": 49}, START + 3_601_000),
    )
    outcomes = tuple(replays(loaded.program, events))
    form = loaded.names.requirements["lost_to_a_person"].form
    played = transcript(loaded.program, events, outcomes, "lost_to_a_person", form)
    assert "\n".join(line for _, line in shown(played)) == (
        "    1  the conversation starts: channel: voice, language: en, caller: unknown\n"
        "         rule greet  in_this_turn.charter:10\n"
        "         → say hello  “Hello.”\n"
        "    2  1 h later: the customer says something\n"
        "         rule hear  in_this_turn.charter:12\n"
        "         → ask guess\n"
        "    3  guess suggests intent: lost, sure: 0.49\n"
        "         rule other  in_this_turn.charter:15\n"
        "         → say hello  “Hello.”\n"
        "       event 3 closes the turn, but no `escalate any` came in it after `guess.intent known== lost`\n"
        "       (`guess.intent` is lost). This breaks `lost_to_a_person`: “a lost card goes to a person”"
    )


def test_the_page_on_proofs_shows_what_is_printed(tmp_path: Path) -> None:
    policy = tmp_path / "policy.charter"
    policy.write_text((CORPUS / "before.charter").read_text(encoding="utf-8"), encoding="utf-8")
    printed = CliRunner().invoke(main, ["verify", str(policy)], catch_exceptions=False).stdout
    shown_ = printed[printed.index("refuted") : printed.index("\nproved   answered")]
    page = (Path(__file__).parent.parent.parent / "docs" / "verification.md").read_text(encoding="utf-8")
    assert f"```\n{shown_}\n```" in page


def test_acts_are_written_as_a_policy_writes_them() -> None:
    text = """
policy small
  languages en
  fallback queue general
queue general within 30 s
agent guess suggests { sure: decimal(2) 0..1 } within 300 ms
rule greet on start do ask guess note "began"
rule again on guess do ask guess
rule beyond on guess fails do start timer soon for 90 s escalate general because "failed: {reason}"
rule nobody on escalate any fails do end because "nobody"
require never_over
  never end any
"""
    loaded = load_text(text)
    assert isinstance(loaded, Loaded)
    steps: list[tuple[str, dict[str, object]]] = [
        ("start", {"channel": "voice", "language": "en", "caller": None}),
        ("guess", {"sure": 5}),
        ("guess fails", {"reason": "exhausted"}),
        ("escalate general fails", {"reason": "late"}),
    ]
    events = tuple(Event(EventKind(kind), fields, START + i * 1000) for i, (kind, fields) in enumerate(steps))
    played = transcript(loaded.program, events, tuple(replays(loaded.program, events)), "never_over")
    assert [[act for act, _ in line.acts] for line in played.lines] == [
        ["ask guess", 'note "began"'],
        ["ask guess does not leave: it was used up to its bound in this turn"],
        ["start timer soon for 90 s", 'escalate general because "failed: exhausted"'],
        ['end because "nobody"'],
    ]
    assert [line.said for line in played.lines[1:]] == [
        "guess suggests sure: 0.05",
        "guess fails (exhausted)",
        "the transfer to general fails (late)",
    ]


def bless() -> None:
    for policy in POLICIES:
        policy.with_suffix(".txt").write_text(said(refuted(policy)), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--bless"]:
        sys.exit("usage: python tests/verification/test_counterexamples.py --bless")
    bless()
