"""The rule kernel and the semantics agree on every step of generated conversations, and a fault in either shows."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from random import Random
from typing import TypeVar

import pytest

from charter.dsl.load import Loaded
from charter.dsl.program import (
    Clause,
    Compare,
    Comparison,
    Event,
    Lifetime,
    Program,
    Read,
    Role,
    State,
)
from charter.dsl.semantics import Outcome
from charter.engine.decide import Decider, IncidentKind
from charter.engine.rule_kernel import RuleKernel
from charter.verification.generate.events import Step, conversation, outside
from tests.verification.generated import budget, policies

TURNS = budget("CHARTER_TURNS", 20_000)
A_POLICY = 100  # turns


def deciding(program: Program, kernel: Program, differences: list[str]) -> Step:
    """Decides by the semantics of `program` and a kernel of the other one; notes where they differ."""
    decider = Decider(program, RuleKernel(kernel), lambda: RuleKernel(kernel))

    def decide(_: Program, state: State, event: Event) -> Outcome:
        decision = decider.decide(state, event)
        if decision.incident is not None and decision.incident.kind is IncidentKind.DISAGREEMENT:
            differences.append(f"{event}: {'; '.join(decision.incident.details)}")
        return decision.outcome

    return decide


def differing(rng: Random, policy: Loaded, kernel: Program, turns: int) -> tuple[list[str], int]:
    """The differences in that many turns or a few more, and how many there were."""
    differences: list[str] = []
    decide, world, taken = deciding(policy.program, kernel, differences), outside(policy.program), 0
    while taken < turns:
        hostile = rng.choice((0.0, 0.05, 0.3))
        taken += sum(1 for _ in conversation(rng, world, decide, length=30, hostile=hostile))
    return differences, taken


def test_kernel_and_semantics_agree_on_every_turn() -> None:
    turns = 0
    for rng, policy in policies(-(-TURNS // A_POLICY), seed=30):
        differences, taken = differing(rng, policy, policy.program, A_POLICY)
        assert not differences, f"{differences[0]}\n{policy.sources[0].text}"
        turns += taken
    assert turns >= TURNS


# --- seeded faults ---------------------------------------------------------------------------------------------------


_Node = TypeVar("_Node")


def rewritten(node: _Node, change: Callable[[object], object]) -> _Node:
    """The tree with each node changed, from the leaves up."""
    if isinstance(node, tuple):
        return tuple(rewritten(item, change) for item in node)  # type: ignore[return-value]  # a tuple like the one given
    if is_dataclass(node) and not isinstance(node, type):
        parts = {f.name: rewritten(getattr(node, f.name), change) for f in fields(node)}
        return change(replace(node, **parts))  # type: ignore[return-value]  # a change keeps the kind of node
    return node


def clauses(program: Program, change: Callable[[object], object]) -> Program:
    """The program with the nodes of its clauses changed."""
    return replace(program, strata={kind: rewritten(strata, change) for kind, strata in program.strata.items()})


def dropped_override(program: Program) -> Program:
    """No rule overrides another."""
    return clauses(program, lambda node: replace(node, overridden_by=()) if isinstance(node, Clause) else node)


def stale_read(program: Program) -> Program:
    """Rules read old values only."""
    return clauses(program, lambda node: replace(node, old=True) if isinstance(node, Read) else node)


def wrong_stratum(program: Program) -> Program:
    """All clauses on an event stand in one stratum."""
    together = {kind: (tuple(c for s in strata for c in s),) for kind, strata in program.strata.items() if strata}
    return replace(program, strata={**program.strata, **together})


def wrong_order(program: Program) -> Program:
    """Acts of a kind leave in the reverse of their order."""

    def reverse(node: object) -> object:
        if isinstance(node, Clause):
            return replace(node, acts=tuple(replace(site, place=-site.place) for site in node.acts))
        return node

    return clauses(program, reverse)


def bound_off_by_one(program: Program) -> Program:
    """Every agent and tool may be used once more."""

    agents = {name: replace(agent, uses=agent.uses + 1) for name, agent in program.agents.items()}
    tools = {name: replace(tool, uses=tool.uses + 1) for name, tool in program.tools.items()}
    return replace(program, agents=agents, tools=tools)


def comparison_off_by_one(program: Program) -> Program:
    """At least is more than, at most is less than."""
    off = {Comparison.GE: Comparison.GT, Comparison.LE: Comparison.LT}

    def strict(node: object) -> object:
        return replace(node, op=off.get(node.op, node.op)) if isinstance(node, Compare) else node

    return clauses(program, strict)


def missed_reset(program: Program) -> Program:
    """A fact of a turn stays when the next one opens."""
    kept = {
        name: replace(info, lifetime=Lifetime.CONVERSATION)
        for name, info in program.variables.items()
        if info.role is Role.FACT
    }
    return replace(program, variables={**program.variables, **kept})


def unwatched(program: Program) -> Program:
    """No requirement is watched, but its ghosts are there."""
    return replace(program, requirements=tuple(replace(r, watches=()) for r in program.requirements))


@pytest.mark.parametrize(
    "fault",
    [
        dropped_override, stale_read, wrong_stratum, wrong_order, bound_off_by_one, comparison_off_by_one, missed_reset,
        unwatched,
    ],
)  # fmt: skip
def test_a_fault_in_an_executor_shows(fault: Callable[[Program], Program]) -> None:
    shown = 0
    for rng, policy in policies(25, seed=31):
        differences, _ = differing(rng, policy, fault(policy.program), 40)
        shown += bool(differences)
    assert shown >= 2
