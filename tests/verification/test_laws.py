"""Laws of every program, tried on generated policies and conversations."""

import json
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from charter.dsl.program import (
    OVER,
    TRANSFERRING,
    TURN_OPEN,
    Act,
    ActKind,
    Opening,
    Program,
    Role,
    State,
    Variable,
)
from charter.dsl.semantics import Outcome, possible, step
from charter.dsl.types import BagType, inhabits
from charter.dsl.values import Json, from_json, to_json
from charter.verification.generate.events import Outside, Taken, conversation, likely, narrowed, outside, unlikely
from charter.verification.generate.policies import permuted
from tests.verification.generated import budget, drafts, loaded, policies

POLICIES = budget("CHARTER_POLICIES", 60)


@pytest.fixture(scope="module")
def steps() -> list[tuple[Program, Taken]]:
    """Steps of plausible and hostile conversations."""
    return list(_steps())


def _steps() -> Iterator[tuple[Program, Taken]]:
    for rng, policy in policies(POLICIES, seed=10):
        world = outside(policy.program)
        for hostile in (0.02, 0.1, 0.5, 0.95):
            for taken in conversation(rng, world, step, length=30, hostile=hostile):
                yield policy.program, taken


def test_a_step_is_deterministic(steps: list[tuple[Program, Taken]]) -> None:
    for program, taken in steps:
        assert step(program, taken.state, taken.event) == taken.outcome


def test_a_dropped_event_changes_nothing(steps: list[tuple[Program, Taken]]) -> None:
    dropped = [taken for _, taken in steps if taken.outcome.dropped is not None]
    assert dropped
    for taken in dropped:
        assert taken.outcome == Outcome(taken.state, dropped=taken.outcome.dropped)


def test_every_variable_keeps_to_its_type(steps: list[tuple[Program, Taken]]) -> None:
    for program, taken in steps:
        state = taken.outcome.state
        assert state.keys() == program.variables.keys()
        assert not [name for name, info in program.variables.items() if not inhabits(state[name], info.type)]


def test_a_state_comes_back_from_json_as_it_was(steps: list[tuple[Program, Taken]]) -> None:
    for program, taken in steps:
        for name, info in program.variables.items():
            value = taken.outcome.state[name]
            written: Json = json.loads(json.dumps(to_json(value, info.type)))
            assert from_json(written, info.type, name) == value


def test_after_the_end_there_are_only_settlements(steps: list[tuple[Program, Taken]]) -> None:
    after = [(program, taken) for program, taken in steps if taken.state[OVER] and taken.outcome.dropped is None]
    assert after
    for program, taken in after:
        assert taken.event.kind.split(" ")[0] in program.tools
        assert taken.outcome.state[OVER]
        assert not taken.outcome.acts


def test_the_safe_stop_leaves_without_speech_and_keeps_every_fact(steps: list[tuple[Program, Taken]]) -> None:
    stopped = [(program, taken.outcome) for program, taken in steps if taken.outcome.broken]
    assert stopped
    for program, outcome in stopped:
        assert {act.kind for act in outcome.acts} <= {ActKind.ESCALATE, ActKind.END}
        facts = [name for name, info in program.variables.items() if info.role is Role.FACT]
        assert all(outcome.state[name] == outcome.old[name] for name in facts)


def test_a_turn_closes_after_a_bounded_number_of_answers() -> None:
    turns = 0
    for rng, policy in policies(POLICIES, seed=11):
        program, world = policy.program, outside(policy.program)
        for taken in conversation(rng, world, step, length=20):
            if taken.outcome.state[TURN_OPEN] and not taken.outcome.state[TRANSFERRING]:
                turns += 1
                answers = _answers_until_closed(rng, world, taken.outcome.state, taken.event.now)
                assert answers <= _bound(program, taken.outcome.state)
    assert turns > POLICIES


def _bound(program: Program, state: State) -> int:
    """Each use is answered once, each agent and tool is exhausted once a turn, and what is uncertain settles once."""
    agents = sum(agent.uses + 1 for agent in program.agents.values())
    tools = sum((tool.uses + 1) * (1 + tool.writes) for tool in program.tools.values())
    uncertain = [state[Variable(f"uncertain {name}")] for name in program.tools]
    return agents + tools + sum(len(calls) for calls in uncertain if isinstance(calls, tuple))


def _answers_until_closed(rng: Random, world: Outside, state: State, now: int) -> int:
    """How many answers come until the turn closes or the conversation goes to a person."""
    program, answers = world.program, 0
    kinds = {kind for kind, info in program.events.items() if info.opening is Opening.ANSWERS}
    answering = narrowed(world, kinds, ())
    while state[TURN_OPEN] and not state[TRANSFERRING]:
        event = likely(rng, answering, state, now)
        assert event is not None, "the turn waits for what cannot come"
        state = step(program, state, event).state
        answers += 1
    return answers


def test_what_is_likely_can_come_and_nothing_raises() -> None:
    for rng, policy in policies(POLICIES, seed=12):
        world = outside(policy.program)
        for taken in conversation(rng, world, step, length=15, hostile=0.2):
            event = likely(rng, world, taken.outcome.state, taken.event.now)
            assert event is None or possible(policy.program, taken.outcome.state, event)
            for _ in range(3):
                step(policy.program, taken.outcome.state, unlikely(rng, world, taken.event.now))


def test_the_order_of_rules_changes_only_the_order_of_equal_kind_acts() -> None:
    compared = 0
    for rng, made in drafts(POLICIES, seed=13):
        # requirements may look at the order in which acts of a kind leave, so none is enforced
        program = replace(loaded(made).program, requirements=())
        other = replace(loaded(permuted(rng, made)).program, requirements=())
        world = outside(program)
        for _ in range(4):
            for taken in conversation(rng, world, step, length=20, hostile=0.1):
                outcome, again = taken.outcome, step(other, taken.state, taken.event)
                if _over_bound(program, outcome):
                    continue
                compared += 1
                assert _unordered(program, outcome) == _unordered(program, again)
                ranks = [[act.kind for act in one.acts] for one in (outcome, again)]
                assert [kind for kind in ranks[0] if kind in _ORDERED] == [
                    kind for kind in ranks[1] if kind in _ORDERED
                ]
    assert compared > 20 * POLICIES


_ORDERED = (ActKind.DISCLOSE, ActKind.SAY, ActKind.COLLECT, ActKind.ESCALATE, ActKind.END)


def _over_bound(program: Program, outcome: Outcome) -> bool:
    """Which of several calls is the one too many, their place decides."""
    return any(act.kind is ActKind.EXHAUSTED and program.tools.get(act.name) for act in outcome.acts)


def _unordered(program: Program, outcome: Outcome) -> object:
    state = {
        name: sorted(map(repr, value)) if isinstance(program.variables[name].type, BagType) else value  # type: ignore[arg-type]  # a bag is a tuple
        for name, value in outcome.state.items()
    }
    acts = sorted(map(_whole, outcome.acts))
    broken = {b.requirement for b in outcome.broken}
    if "no conflict" in broken:  # which of two values it is, and what that breaks besides, their place decides
        broken = {"no conflict"}
    return state, acts, sorted(outcome.fired), sorted(outcome.overridden), broken, outcome.dropped


def _whole(act: Act) -> str:
    return repr((act.identity, sorted(act.reasons)))
