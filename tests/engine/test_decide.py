"""Two executors decide every step; where they agree it is taken, and every seeded fault of one of them is caught."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from random import Random
from typing import Any, get_args

import pytest
from programs import act, const, everything, fact, parts, program, read, requirement, rule
from programs_random import random_event, random_program, random_state

from charter.dsl.program import (
    OVER,
    SAFE_STOPS,
    TRANSFERRING,
    TRUE,
    Act,
    ActKind,
    ActSite,
    Arithmetic,
    Clause,
    Compare,
    Comparison,
    Const,
    Event,
    EventInfo,
    EventKind,
    Expr,
    Lifetime,
    Moment,
    Opening,
    Operation,
    Program,
    Read,
    Role,
    Settled,
    State,
    Watch,
    tried,
)
from charter.dsl.types import IntType, OptionalType
from charter.engine.decide import Decider, Decision, IncidentKind, decider
from charter.engine.evaluator import Executed
from charter.engine.rule_kernel import KernelFault, RuleKernel

GO = EventKind("go")


def deciding(meant: Program, run: Program | None = None) -> Decider:
    """Decides by `meant`; the kernel runs `run`, if it is another program."""
    run = meant if run is None else run
    return Decider(meant, RuleKernel(run), lambda: RuleKernel(run))


def decisions(rng: Random, made: Program, decide: Decider, steps: int) -> Iterator[tuple[State, Event, Decision]]:
    """Decides on random events: a conversation from its start, moved now and then to a state at random."""
    state, now = made.initial, 0
    for _ in range(steps):
        if rng.random() < (0.7 if state[OVER] else 0.1):
            state = random_state(rng, made)
        now += rng.choice((0, 1_000))
        event = random_event(rng, made, now)
        decision = decide.decide(state, event)
        yield state, event, decision
        state = decision.outcome.state


def disagreements(programs: int, steps: int, *, first: int = 0) -> list[str]:
    """What the executors disagree about on random programs, each run for some steps."""
    found = []
    for seed in range(first, first + programs):
        rng = Random(seed)
        made = random_program(rng)
        for _, event, decision in decisions(rng, made, deciding(made), steps):
            if decision.incident is not None and decision.incident.kind is IncidentKind.DISAGREEMENT:
                found.append(f"program {seed}, {event}: {'; '.join(decision.incident.details)}")
    return found


# --- agreement -------------------------------------------------------------------------------------------------------


def test_both_executors_agree_on_random_programs() -> None:
    assert disagreements(programs=140, steps=150) == []


def test_both_executors_agree_on_a_program_that_uses_everything() -> None:
    made = everything()
    seen = list(decisions(Random(5), made, deciding(made), 12_000))
    incidents = [d.incident for _, _, d in seen if d.incident is not None]
    assert [i for i in incidents if i.kind is IncidentKind.DISAGREEMENT] == []
    assert {a.kind for _, _, d in seen for a in d.outcome.acts} == set(ActKind)
    assert {rule for _, _, d in seen for rule in d.outcome.fired} == set(made.rules)
    assert {rule for _, _, d in seen for rule in d.outcome.overridden} == {"calm down", "collect", "give up"}
    broken = {b.requirement for _, _, d in seen for b in d.outcome.broken}
    assert broken >= {r.name for r in made.requirements} | {"in range", "within bounds", "no excluded acts"}


def test_that_program_uses_everything() -> None:
    found = list(parts(everything()))
    kinds = {type(part) for part in found}
    assert set(get_args(Expr)) <= kinds
    assert set(get_args(Moment)) <= kinds
    assert {part.kind for part in found if isinstance(part, ActSite)} == set(ActKind) - {ActKind.EXHAUSTED}
    for closed in (Opening, Lifetime, Role, Comparison):
        assert set(closed) <= {part for part in found if isinstance(part, closed)}, closed


# --- seeded faults ---------------------------------------------------------------------------------------------------


def rewritten(node: Any, change: Callable[[Any], Any]) -> Any:
    """The tree with `change` applied to each of its nodes, from the leaves up."""
    if is_dataclass(node) and not isinstance(node, type):
        values = {f.name: getattr(node, f.name) for f in fields(node)}
        new = {name: rewritten(value, change) for name, value in values.items()}
        return change(replace(node, **new) if any(new[n] is not v for n, v in values.items()) else node)
    if isinstance(node, tuple):
        new_items = tuple(rewritten(item, change) for item in node)
        return new_items if any(a is not b for a, b in zip(new_items, node, strict=True)) else node
    if isinstance(node, dict):
        return {key: rewritten(value, change) for key, value in node.items()}
    return node


def in_clauses(made: Program, change: Callable[[Any], Any]) -> Program:
    """The program with its clauses changed."""
    return replace(made, strata=rewritten(made.strata, change))


def dropped_override(made: Program) -> Program:
    return in_clauses(made, lambda n: replace(n, overridden_by=()) if isinstance(n, Clause) else n)


def stale_read(made: Program) -> Program:
    return in_clauses(made, lambda n: replace(n, old=not n.old) if isinstance(n, Read) else n)


def swapped_strata(made: Program) -> Program:
    return replace(made, strata={kind: strata[::-1] for kind, strata in made.strata.items()})


def wrong_act_order(made: Program) -> Program:
    return in_clauses(made, lambda n: replace(n, place=-n.place) if isinstance(n, ActSite) else n)


def off_by_one(made: Program) -> Program:
    def change(node: Any) -> Any:
        if isinstance(node, Compare) and isinstance(node.right, Const) and type(node.right.value) is int:
            return replace(node, right=replace(node.right, value=node.right.value + 1))
        return node

    return in_clauses(made, change)


def missed_reset(made: Program) -> Program:
    kept = {n: replace(i, lifetime=Lifetime.CONVERSATION) for n, i in made.variables.items()}
    return replace(made, variables=kept)


def lost_write(made: Program) -> Program:
    return in_clauses(made, lambda n: replace(n, writes=n.writes[1:]) if isinstance(n, Clause) else n)


def lost_arrival(made: Program) -> Program:
    return replace(made, events={kind: replace(info, arrives=()) for kind, info in made.events.items()})


def lost_bookkeeping(made: Program) -> Program:
    return replace(made, bookkeeping=made.bookkeeping[1:])


def blind_requirement(made: Program) -> Program:
    return replace(made, requirements=made.requirements[1:])


def open_environment(made: Program) -> Program:
    return replace(made, events={kind: replace(info, possible=TRUE) for kind, info in made.events.items()})


FAULTS = (
    dropped_override, stale_read, swapped_strata, wrong_act_order, off_by_one, missed_reset, lost_write,
    lost_arrival, lost_bookkeeping, blind_requirement, open_environment,
)  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_seeded_fault_is_caught(fault: Callable[[Program], Program]) -> None:
    meant = everything()
    caught = [d for _, _, d in decisions(Random(6), meant, deciding(meant, fault(meant)), 2_000) if disagrees(d)]
    assert caught
    for decision in caught:
        assert decision.outcome.fired == ()
        assert {a.kind for a in decision.outcome.acts} <= {ActKind.ESCALATE, ActKind.END}


def disagrees(decision: Decision) -> bool:
    return decision.incident is not None and decision.incident.kind is IncidentKind.DISAGREEMENT


# --- what a decision is ----------------------------------------------------------------------------------------------


def counting(limit: int) -> Program:
    """On `go` a count goes up by one and is said; a requirement keeps it below the limit."""
    count = fact("count", IntType(0, 99), 0)
    more = Arithmetic(Operation.ADD, read(count, old=True), const(1), count.type)
    up = rule("up", writes=[(count, more)], acts=[act(1, ActKind.SAY, "number", n=read(count, old=True))])
    below = requirement("below", Watch(Settled(), broken=Compare(Comparison.GE, read(count), const(limit))))
    return program([count], [EventInfo(GO, (), Opening.OPENS, TRUE)], {GO: [[up]]}, requirements=[below])


def number(n: int) -> Act:
    """What `counting` says."""
    return Act(ActKind.SAY, "number", (("n", n),))


def go(decide: Decider, state: State) -> Decision:
    return decide.decide(state, Event(GO, {}, 0))


def test_an_agreed_step_is_taken_without_an_incident() -> None:
    made = counting(limit=50)
    decision = go(decider(made), made.initial)
    assert decision.incident is None
    assert decision.outcome.acts == (number(0),)
    assert decision.kernel_seconds > 0
    assert decision.semantics_seconds > 0


def test_a_broken_requirement_is_an_incident_and_a_safe_stop() -> None:
    made = counting(limit=1)
    first = go(deciding(made), made.initial)
    assert first.incident is not None
    assert first.incident.kind is IncidentKind.BROKEN_REQUIREMENT
    assert first.incident.details == ("below: after the rules",)
    assert [(a.kind, a.name) for a in first.outcome.acts] == [(ActKind.ESCALATE, "general")]
    second = go(deciding(made), first.outcome.state)
    assert [a.kind for a in second.outcome.acts] == [ActKind.END]


def test_a_disagreement_names_what_differs_on_both_sides() -> None:
    made = counting(limit=50)
    silent = in_clauses(made, lambda n: replace(n, acts=()) if isinstance(n, Clause) else n)
    decision = go(deciding(made, silent), made.initial)
    assert decision.incident is not None
    assert decision.incident.kind is IncidentKind.DISAGREEMENT
    assert decision.incident.details == (f"acts: the kernel has (), the semantics {(number(0),)!r}",)


def test_a_disagreement_hands_over_first_and_ends_the_second_time() -> None:
    made = counting(limit=50)
    decide = deciding(made, replace(made, strata={GO: ()}))
    first = go(decide, made.initial)
    assert [(a.kind, a.name) for a in first.outcome.acts] == [(ActKind.ESCALATE, "general")]
    assert first.outcome.state == {**made.initial, SAFE_STOPS: 1, TRANSFERRING: True, tried("general"): 1}
    assert [b.requirement for b in first.outcome.broken] == ["agreement"]
    second = go(decide, first.outcome.state)
    assert [a.kind for a in second.outcome.acts] == [ActKind.END]
    assert second.outcome.state[OVER] is True


def test_an_event_that_only_one_executor_takes_hands_over() -> None:
    made = counting(limit=50)
    closed = replace(made, events={GO: replace(made.events[GO], possible=const(False))})
    for meant, run in ((made, closed), (closed, made)):
        decision = go(deciding(meant, run), made.initial)
        assert decision.incident is not None
        assert [(a.kind, a.name) for a in decision.outcome.acts] == [(ActKind.ESCALATE, "general")]
        assert decision.outcome.state[TRANSFERRING] is True
        assert decision.outcome.state[SAFE_STOPS] == 1


def test_a_semantics_that_fails_hands_over_by_hand() -> None:
    count = fact("count", OptionalType(IntType(0, 9)), None)
    unguarded = rule("unguarded", Compare(Comparison.LT, read(count), const(1)))
    made = program([count], [EventInfo(GO, (), Opening.OPENS, TRUE)], {GO: [[unguarded]]})
    decision = go(deciding(made), made.initial)
    assert decision.incident is not None
    (detail,) = decision.incident.details
    assert detail.startswith("the semantics failed: TypeError: ")
    assert [(a.kind, a.name) for a in decision.outcome.acts] == [(ActKind.ESCALATE, "general")]
    watched = replace(made, bookkeeping=(Watch(Settled(), when=Compare(Comparison.LT, read(count), const(1))),))
    stopped = go(deciding(watched), watched.initial)
    assert stopped.outcome.state == {**made.initial, SAFE_STOPS: 1, TRANSFERRING: True}
    ended = go(deciding(watched), stopped.outcome.state)
    assert ended.outcome.state == {**made.initial, SAFE_STOPS: 2, TRANSFERRING: True, OVER: True}
    assert go(deciding(watched), ended.outcome.state).outcome.acts == ()


class Faulty:
    """An executor that a fault of the library stops at every step."""

    def step(self, _: State, event: Event, /) -> Executed:
        raise KernelFault(f"no answer to {event.kind}")


def test_a_kernel_that_faults_hands_over_and_is_rebuilt() -> None:
    made = counting(limit=50)
    decide = Decider(made, Faulty(), lambda: RuleKernel(made))
    first = go(decide, made.initial)
    assert first.incident is not None
    assert first.incident.details == ("the kernel failed: no answer to go",)
    assert [a.kind for a in first.outcome.acts] == [ActKind.ESCALATE]
    assert go(decide, made.initial).incident is None


def test_a_kernel_that_cannot_be_rebuilt_hands_over_every_time() -> None:
    made = counting(limit=50)

    def rebuild() -> RuleKernel:
        raise KernelFault("out of memory")

    decide = Decider(made, Faulty(), rebuild)
    for reason in ("no answer to go", "out of memory", "out of memory"):
        decision = go(decide, made.initial)
        assert decision.incident is not None
        assert decision.incident.details == (f"the kernel failed: {reason}",)


def test_a_disagreement_comes_to_the_same_safe_stop_as_a_broken_requirement() -> None:
    made = everything()
    faulty, compared = Decider(made, Faulty(), Faulty), 0
    for state, event, decision in decisions(Random(7), made, deciding(made), 4_000):
        if decision.outcome.broken:
            stopped = faulty.decide(state, event).outcome
            assert (stopped.state, stopped.acts) == (decision.outcome.state, decision.outcome.acts)
            compared += 1
    assert compared > 100
