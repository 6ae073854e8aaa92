"""Fuzzing finds what lies deep, shrinks it to a test that replays, and finds nothing where nothing is."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import jsonschema
import pytest
from click.testing import CliRunner, Result

from charter.cli import main
from charter.dsl.load import Loaded, load, load_text
from charter.dsl.program import Event, Program, State
from charter.dsl.rehearse import rehearse
from charter.engine.decide import Decider, IncidentKind
from charter.engine.rule_kernel import RuleKernel
from charter.fuzz import both_executors
from charter.verification.fuzz.judge import reader_of
from charter.verification.fuzz.pieces import Fuzzed, fuzz, fuzz_in_pieces
from charter.verification.fuzz.play import Decide, Decided, Fault, semantics_alone
from charter.verification.fuzz.report import test_block as block_of
from charter.verification.fuzz.report import text
from charter.verification.fuzz.search import Budget

T = TypeVar("T")

ROOT = Path(__file__).parent.parent.parent
SEVEN_RULES = ROOT / "tests" / "corpus" / "good" / "whole" / "seven_rules.charter"
DEEP = Path(__file__).parent / "holes" / "eight_events_deep.charter"


def policy(path: Path) -> Loaded:
    loaded = load(path)
    assert isinstance(loaded, Loaded)
    return loaded


def with_rules(*rules: str) -> Loaded:
    """The policy of seven rules with more of them."""
    loaded = load_text("\n".join((SEVEN_RULES.read_text(), *rules)))
    assert isinstance(loaded, Loaded), loaded
    return loaded


def fuzzed(loaded: Loaded, steps: int, executors: Callable[[Program], Decide] = semantics_alone) -> Fuzzed:
    return fuzz(loaded.program, executors, Budget(steps), seed=3)


def test_a_hole_eight_events_deep_is_found_and_its_test_replays() -> None:
    loaded = policy(DEEP)
    result = fuzzed(loaded, 8_000, both_executors)
    (shown,) = result.found
    assert (shown.finding.fault, shown.finding.name, shown.replays) == (Fault.BROKEN, "no_secret", True)
    assert len(shown.events) == 8
    block = block_of(loaded, shown)
    assert block is not None
    again = load_text(DEEP.read_text() + "\n" + block + "\n")
    assert isinstance(again, Loaded)
    (rehearsed,) = [rehearse(again.program, scenario) for scenario in again.scenarios]
    assert not rehearsed.failures
    assert rehearsed.steps[-1].outcome.broken[0].requirement == "no_secret"


def test_where_nothing_is_wrong_nothing_is_found_and_everything_is_reached() -> None:
    loaded = policy(SEVEN_RULES)
    result = fuzz(loaded.program, both_executors, Budget(5_000), seed=3, judge=reader_of(loaded))
    assert not result.found
    assert result.reached.rules == set(loaded.program.rules)
    names = {requirement.name for requirement in loaded.program.requirements}
    assert (result.reached.triggered, result.reached.served) == (names, names)


def test_the_same_seed_makes_the_same_conversations() -> None:
    loaded = policy(DEEP)
    once, again = fuzzed(loaded, 4_000), fuzzed(loaded, 4_000)
    assert once == again
    assert fuzz(loaded.program, semantics_alone, Budget(4_000), seed=4) != once


def test_rules_that_contradict_each_other_are_found_and_their_test_fails_until_they_are_mended() -> None:
    loaded = with_rules(
        "fact mood: int 0..1 = 0",
        "rule up on silence do set mood = 1",
        "rule down on silence when mood == 0 do set mood = 0",
        "rule told on keys when mood == 1 do say say_again",
    )
    shown = next(shown for shown in fuzzed(loaded, 2_000).found if shown.finding.fault is Fault.STOPPED)
    assert shown.finding.name == "no conflict"
    assert [event.kind for event in shown.events] == ["start", "silence"]
    block = block_of(loaded, shown)
    again = load_text(f"{loaded.sources[0].text}\n{block}\n")
    assert isinstance(again, Loaded)
    assert "write different values to `mood`" in rehearse(again.program, again.scenarios[-1]).failures[0].message


def test_a_fault_of_one_executor_is_found_with_its_smallest_conversation() -> None:
    loaded = policy(SEVEN_RULES)

    def faulty(program: Program) -> Decide:
        classify = tuple(
            tuple(c for c in stratum if c.rule != "hours")
            for stratum in program.strata[program.events["classify"].kind]
        )
        other = replace(program, strata={**program.strata, program.events["classify"].kind: classify})
        decider = Decider(program, RuleKernel(other), lambda: RuleKernel(other))

        def decide(state: State, event: Event) -> Decided:
            decision = decider.decide(state, event)
            differs = decision.incident is not None and decision.incident.kind is IncidentKind.DISAGREEMENT
            return Decided(decision.outcome, decision.incident.details if decision.incident and differs else ())

        return decide

    shown = fuzzed(loaded, 3_000, faulty).found[0]
    assert (shown.finding.fault, shown.replays) == (Fault.DIFFERENCE, True)
    assert "`hours`" in shown.finding.detail or "hours" in shown.finding.detail
    assert [event.kind for event in shown.events] == ["start", "utterance", "classify"]
    assert block_of(loaded, shown) is None


def test_a_monitor_that_misses_what_the_reader_sees_is_found_with_its_smallest_conversation() -> None:
    loaded = policy(DEEP)
    blind = tuple(replace(r, watches=()) if r.name == "no_secret" else r for r in loaded.program.requirements)
    mistaken = replace(loaded, program=replace(loaded.program, requirements=blind))
    result = fuzz(mistaken.program, semantics_alone, Budget(8_000), seed=3, judge=reader_of(mistaken))
    (shown,) = result.found
    assert (shown.finding.fault, shown.finding.name, shown.replays) == (Fault.MISREAD, "no_secret", True)
    assert shown.finding.detail == "for the reader broken on `keys` (step 8), for the monitors not broken"
    assert len(shown.events) == 8
    assert block_of(mistaken, shown) is None
    assert "found    difference from the reader: no_secret" in [line for _, line in text("x", mistaken, result)]


def test_an_executor_that_raises_is_found() -> None:
    def raising(program: Program) -> Decide:
        alone = semantics_alone(program)
        return lambda state, event: Decided(alone(state, event).outcome) if event.kind != "silence" else 1 // 0  # type: ignore[return-value]

    (shown,) = fuzzed(policy(SEVEN_RULES), 1_000, raising).found
    assert (shown.finding.fault, shown.finding.name) == (Fault.FAILED, "ZeroDivisionError")
    assert [event.kind for event in shown.events] == ["silence"]


def test_a_difference_that_does_not_come_again_is_said_to_be_one() -> None:
    def once(program: Program) -> Decide:
        alone, left = semantics_alone(program), [300]

        def decide(state: State, event: Event) -> Decided:
            left[0] -= 1
            return Decided(alone(state, event).outcome, ("acts: other",) if left[0] == 0 else ())

        return decide

    (shown,) = fuzzed(policy(SEVEN_RULES), 1_000, once).found
    assert (shown.finding.fault, shown.replays) == (Fault.DIFFERENCE, False)


def test_pieces_come_to_the_same_however_many_are_worked_on_at_a_time() -> None:
    program = policy(DEEP).program
    one, two = (fuzz_in_pieces(program, semantics_alone, Budget(30_001), seed=3, jobs=jobs) for jobs in (1, 2))
    assert one == two
    assert (one.steps >= 30_001, [shown.finding.name for shown in one.found]) == (True, ["no_secret"])
    assert one.conversations > fuzz(program, semantics_alone, Budget(15_001), seed=3).conversations


def test_pieces_stop_at_as_many_findings_as_are_wanted() -> None:
    def differing(program: Program) -> Decide:
        alone = semantics_alone(program)
        return lambda state, event: Decided(alone(state, event).outcome, (f"{event.kind}: other",))

    result = fuzz_in_pieces(policy(SEVEN_RULES).program, differing, Budget(60_000, findings=3), seed=0, jobs=2)
    assert len(result.found) == 3


def test_fuzzing_stops_after_its_seconds() -> None:
    ticks = iter(range(100_000))
    loaded = policy(SEVEN_RULES)
    result = fuzz(loaded.program, semantics_alone, Budget(None, 120.0), seed=0, clock=lambda: float(next(ticks)))
    assert 100 < result.steps < 20_000


# --- the command -----------------------------------------------------------------------------------------------------


def charter(*args: str) -> Result:
    return CliRunner().invoke(main, args, catch_exceptions=False)


def test_fuzz_says_what_it_reached_and_exits_0() -> None:
    result = charter("fuzz", str(SEVEN_RULES), "--steps", "3000")
    assert result.exit_code == 0
    assert "seed 0: nothing found" in result.stdout
    assert "rules reached 7 of 7, branches 11 of 11; requirements triggered 4 of 4, served 4" in result.stdout


def test_fuzz_shows_what_it_found_with_a_test_and_exits_1() -> None:
    result = charter("fuzz", str(DEEP), "--steps", "8000", "--seed", "3")
    assert result.exit_code == 1
    assert "found    broken requirement: no_secret" in result.stdout
    assert "event 8 leads to `say secret`, but this may never come. This breaks `no_secret`:" in result.stdout
    assert "expect broken no_secret" in result.stdout


def test_what_fuzz_prints_as_json_fits_its_schema() -> None:
    result = charter("fuzz", str(SEVEN_RULES), str(DEEP), "--steps", "8000", "--seed", "3", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    jsonschema.validate(found, json.loads((ROOT / "docs" / "schemas" / "fuzzed.json").read_text()))
    assert [len(report["findings"]) for report in found] == [0, 1]
    assert found[1]["findings"][0]["test"].endswith("expect broken no_secret")


@pytest.mark.parametrize("args", [("nowhere.charter",), (str(SEVEN_RULES), "--steps", "0"), ()])
def test_a_wrong_policy_or_usage_exits_2(args: tuple[str, ...]) -> None:
    assert charter("fuzz", *args).exit_code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_its_processes_end_with_it_and_ctrl_c_exits_130(number: signal.Signals) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "charter", "fuzz", str(SEVEN_RULES), "--steps", "100000000", "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # also where who runs the tests ignores it
    )
    children = waited(lambda: found if len(found := children_of(running.pid)) >= 2 else None)
    if number is signal.SIGINT:
        os.killpg(running.pid, number)  # as a terminal does
    else:
        running.kill()
    said, complained = running.communicate(timeout=60)
    assert (running.returncode, said, complained) == (130 if number is signal.SIGINT else -9, "", "")
    waited(lambda: not any(Path(f"/proc/{child}").exists() for child in children) or None)


def children_of(process: int) -> list[int]:
    """The processes that it started by forking."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False)
    lines = {int(pid): Path(f"/proc/{pid}/cmdline") for pid in found.stdout.split()}
    return [pid for pid, line in lines.items() if line.exists() and "fuzz" in line.read_text()]


def waited(for_: Callable[[], T | None]) -> T:
    """What comes within some seconds."""
    until = time.monotonic() + 30
    while (found := for_()) is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    return found
