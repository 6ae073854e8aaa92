"""The generator: what it writes loads, the same seed writes the same, and it reaches what it is to reach."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from charter.dsl.load import Rejected, load, load_text
from charter.dsl.semantics import step
from charter.verification.generate.coverage import Coverage
from charter.verification.generate.events import conversation, outside
from charter.verification.generate.policies import Size, draft
from tests.verification.generated import budget, drafts, policies

CONSTRUCTS = """
    two languages; human wanted; enum; spelled value; record; section; section when; fact; turn fact; fact without a
    value; bool; id; time; duration; text; inttypeof; decimaltypeof; texttypeof; optionalof; named type; define;
    define with parameters; applied; default; else; ask up to; reads; writes; idempotent; call up to; tools; added
    fields; outside event; queue; escalate up to; disclose; disclose with slots; say; say with slots; assume; was;
    its; dot; is known; is unknown; unknown; known==; known!=; known<; known<=; known>; known>=; ==; !=; <; <=; >;
    >=; and; or; not; +; -; *; negative; inset; disclosed; called; pending; number; string; boolean; overrides; rule
    on … or …; rule when; (when …); on an event; on fails; on uncertain; on collected; on collect fails; on
    escalated; on escalated any; on escalate fails; on escalate fails any; on heard; on heard any; on cut; on cut
    any; on timer; setfact; forget; note; ask; ask several; call; collect; starttimer; escalate; end; because; text;
    cites; replaces built-in; changeof; any; except; disclose required; say required; collect required; ask
    required; call required; note required; escalate required; end required; before; only after; only after since;
    only after new; only after new since; only after all; only after all since; only if; if and only if; only
    between; at most; at most since; at most per turn; at most since per turn; once; once per turn; never; never if;
    never with; never from until; whenever in this turn; whenever next; whenever before end
"""
HAPPENINGS = """
    event start; event utterance; event keys; event silence; event interrupt; event hangup; event heard; event cut;
    event timer; event outside; event agent; event agent fails; event tool; event tool fails; event tool uncertain;
    event collected; event collect fails; event escalated; event escalate fails; act disclose; act say; act collect;
    act ask; act call; act timer; act note; act escalate; act end; exhausted; overridden; fact changed; turn opened;
    turn reopened; turn closed; conversation over; settled after the end; fired none; dropped
"""
FORMS = """
    before; only after; only after since; only after new; only after new since; only after all; only after all since;
    only if; if and only if; only between; at most; at most since; at most per turn; once; once per turn; never;
    never if; never with; never from until; whenever in this turn; whenever next; whenever before end; answered;
    no conflict; in range; no excluded acts; within bounds
"""


def listed(names: str) -> list[str]:
    """The names between semicolons."""
    return [" ".join(name.split()) for name in names.split(";")]


@pytest.fixture(scope="module")
def coverage() -> Coverage:
    """What a few hundred policies and their conversations reach."""
    reached = Coverage()
    for rng, policy in policies(budget("CHARTER_POLICIES", 400), seed=1):
        clauses = policy.files[0].document.clauses
        reached.policy(clauses)
        world = outside(policy.program)
        for _ in range(8):
            for taken in conversation(rng, world, step, length=30):
                reached.step(policy.program, clauses, taken)
    print(reached)
    return reached


def test_nearly_every_generated_policy_loads() -> None:
    results = [load_text(made.text) for _, made in drafts(300, seed=2)]
    rejected = [result for result in results if isinstance(result, Rejected)]
    assert len(rejected) <= len(results) // 100, str(rejected[0])


@pytest.mark.parametrize("size", [Size(2, 0, 1, 0, 0, 0, 0), Size(20, 8, 6, 6, 4, 150, 30)])
def test_policies_of_any_size_load(size: Size) -> None:
    results = [load_text(made.text) for _, made in drafts(5, seed=3, size=size)]
    assert not [str(result) for result in results if isinstance(result, Rejected)]


def test_policies_that_were_once_rejected_load() -> None:
    paths = sorted(Path(__file__).parent.glob("regressions/rejected/*.charter"))
    assert paths
    for path in paths:
        result = load(path)
        assert not isinstance(result, Rejected), str(result)


def test_a_seed_writes_the_same_policy_in_every_process() -> None:
    of = "charter.verification.generate.policies"
    write = f"from random import Random; from {of} import draft; print(draft(Random(7)).text)"
    for hash_seed in ("1", "2"):
        env = {"PYTHONHASHSEED": hash_seed, "PYTHONIOENCODING": "utf-8"}
        written = subprocess.run(
            [sys.executable, "-c", write], env=env, capture_output=True, check=True, encoding="utf-8"
        )
        assert written.stdout == draft(Random(7)).text + "\n"


def test_two_or_more_rules_fire_in_at_least_40_percent_of_steps(coverage: Coverage) -> None:
    assert coverage.of_steps("fired two or more") >= 0.4


def test_safe_stops_are_2_to_20_percent_of_steps(coverage: Coverage) -> None:
    assert 0.02 <= coverage.of_steps("safe stop") <= 0.2


def test_every_construct_stands_in_at_least_1_percent_of_policies(coverage: Coverage) -> None:
    rare = {name: coverage.of_policies(name) for name in listed(CONSTRUCTS) if coverage.of_policies(name) < 0.01}
    assert not rare


def test_everything_that_can_happen_happens_in_at_least_1_percent_of_steps(coverage: Coverage) -> None:
    rare = {name: coverage.of_steps(name) for name in listed(HAPPENINGS) if coverage.of_steps(name) < 0.01}
    assert not rare


def test_every_form_of_requirement_is_broken_now_and_then(coverage: Coverage) -> None:
    assert not [name for name in listed(FORMS) if not coverage.broken[name]]
