"""What stands of proofs after an edit is seen at once, and nothing is said to stand that does not."""

import signal
import subprocess
import sys
import time
from functools import cache, partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from charter.cli import main
from charter.dsl.load import Loaded, load, load_text
from charter.dsl.program import STEP_CHECKS, Program
from charter.verification.mutate.mutants import Refused, compiled, mutants
from charter.verification.prove.prove import Settings, prove, proved
from charter.verification.prove.standing import Standing, standing_of
from charter.verification.show.report import word
from charter.verification.workers import Limits

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
    return standing_of(loaded(path).program, Settings())


def stands(program: Program, path: Path = SMALL) -> bool:
    """Whether all that is proved of the policy is proved of the program."""
    return standing(path).of(program, Settings())


def test_the_same_policy_stands() -> None:
    assert stands(loaded(SMALL).program)


def test_it_agrees_with_proofs_from_the_start_on_every_mutant() -> None:
    seen = []
    for mutant in mutants(loaded(SMALL)):
        program, known = compiled(mutant, loaded(SMALL).sources), standing(SMALL)
        assert not isinstance(program, Refused)
        cold = {result.name: word(result.verdict) for result in prove(program, Settings())}
        lost = known.lost(program, Settings())
        if lost is None:
            seen.append("anew")
            continue
        assert {cold[name] for name in known.proved.keys() - lost} <= {"proved"}
        if lost.isdisjoint(STEP_CHECKS):
            results = list(proved(known.edited(program, lost, Settings()), Limits(), lost))
            assert {result.name: word(result.verdict) for result in results} == {name: cold[name] for name in lost}
            seen += ["at once"] if not lost else [word(result.verdict) for result in results]
    assert {"at once", "anew", "proved", "refuted"} <= set(seen)
    assert seen.count("at once") > seen.count("anew")


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


TRANSFERRED = """
policy p
  languages en
  fallback queue general
  human wanted when classify.intent known== human
enum Intent { help, human }
queue general  within 30 s
prompt hello { en "Hello." }
agent classify suggests { intent: Intent }  within 3 s
tool first() returns {}  reads  within 2 s
tool second() returns {}  reads  within 2 s
rule greet    on start                do ask classify  call first()
rule human    on classify when its intent == human  do escalate general because "wanted"
rule unheard  on classify fails       do escalate general because "unheard"
rule out      on first                do escalate general because "out"
rule more     on first                do call second()
rule no_first on first fails          do note "no first"
rule done     on second               do note "done"
rule no_more  on second fails         do note "no more"
rule nobody   on escalate general fails  do end because "nobody"
"""


def test_a_fact_falls_with_what_an_edit_no_longer_does() -> None:
    """`second` is called where `classify` may be open: only what the transfer did kept the two apart."""
    first, then = load_text(TRANSFERRED), load_text(TRANSFERRED.replace('escalate general because "out"', "say hello"))
    assert isinstance(first, Loaded)
    assert isinstance(then, Loaded)
    before = standing_of(first.program, Settings())
    named = {
        frozenset((before.subject.machine.graph.name(column), value) for column, value in clause)
        for clause in before.subject.facts.clauses
    }
    assert {("pending classify>0", False), ("calls second#0", False)} in named
    assert before.lost(then.program, Settings()) is None


def test_a_policy_is_proved_again_whenever_it_is_written(tmp_path: Path) -> None:
    policy, said = tmp_path / "policy.charter", tmp_path / "said"
    text = SMALL.read_text(encoding="utf-8")

    def waited(for_: str, times: int) -> None:
        until = time.monotonic() + 120
        while said.read_text(encoding="utf-8").count(for_) < times:
            assert time.monotonic() < until, said.read_text(encoding="utf-8")
            time.sleep(0.05)

    def wrote(old: str, new: str) -> None:
        policy.write_text(text.replace(old, new), encoding="utf-8")

    wrote("", "")
    with said.open("w", encoding="utf-8") as out:
        command = [sys.executable, "-m", "charter", "verify", "--watch", "--no-cache", str(policy)]
        heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # also where who runs the tests ignores it
        running = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, preexec_fn=heard)
        waited("8 proved; 4 questions", 1)
        wrote("known>= 0.6", "known>= 0.6  # a remark")
        waited("all 8 still proved", 1)
        wrote("rule lost ", "rule lost_card ")
        waited("all 8 still proved", 2)
        wrote("on classify when sure and its intent == lost_card", "on classify when its intent == lost_card")
        waited("the other 7 still proved", 1)
        waited("policy.charter: 1 proved", 1)
        wrote("do disclose recording  say", "do say")
        waited("refuted  recording_first", 1)
        wrote("rule lost ", "ruel lost ")
        waited("1 mistake", 1)
        wrote("", "")
        waited("all 8 still proved", 3)
        wrote("within 10 s", "within 11 s")
        waited("8 proved; 4 questions", 2)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 130


@pytest.mark.parametrize("more", [["--json"], ["--deep"], ["--certificate", "c.json"], [str(SMALL.parent)]])
def test_what_is_watched_is_one_policy_and_told_as_text(more: list[str]) -> None:
    refused = CliRunner().invoke(main, ["verify", "--watch", str(SMALL), *more])
    assert refused.exit_code == 2
    assert "--watch" in refused.output
