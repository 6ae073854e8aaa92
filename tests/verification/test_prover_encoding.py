"""The encoder against the meaning: each step of random conversations, computed from terms and by `semantics.step`."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from charter.dsl.load import Loaded, load, load_text
from charter.dsl.program import OVER, STEP_CHECKS, Event, Program, State
from charter.dsl.semantics import Outcome, step
from charter.dsl.types import inhabits
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.symbols import Layout, columns, reading, scalars
from charter.verification.encode.terms import Scalar, Term, values
from charter.verification.generate.events import any_value, conversation, outside
from charter.verification.generate.policies import draft

ROOT = Path(__file__).parent.parent.parent
SEED = 20260


def differences(encoder: Encoder, state: State, event: Event) -> list[str]:
    """Where the terms and the meaning of one step differ."""
    program, graph = encoder.program, encoder.graph
    made = encoder.step(event.kind)
    stopped = encoder.stopped(made)
    ghosts = {r.name: [v for v in program.variables if v.startswith(f"{r.name}: ")] for r in program.requirements}
    broken = {name: graph.or_(*cases) for name, cases in made.broken.items()}
    wanted, instead = dict(made.wanted.final), dict(stopped.final)
    for requirement in program.requirements:
        fails, after = encoder.judged(made, made.wanted, requirement.watches, ghosts[requirement.name])
        broken[requirement.name] = fails
        wanted |= after
        instead |= encoder.judged(made, stopped, requirement.watches, ghosts[requirement.name])[1]
    inputs = inputs_at(encoder, state, event)
    roots = [made.possible, *broken.values()]
    flat = {v: (encoder.flat(v, wanted[v]), encoder.flat(v, instead[v])) for v in program.variables}
    roots += [t for pair in flat.values() for part in pair for t in part]
    found = values(graph, roots, inputs)
    outcome = step(program, state, event)
    if bool(found[made.possible]) is (outcome.dropped is not None):
        return [f"possible: {found[made.possible]}, but {outcome.dropped}"]
    if outcome.dropped is not None:
        return []
    wrong = []
    fails_first = {name for name in STEP_CHECKS if found[broken[name]]}
    breaks = fails_first or {name for name in broken if found[broken[name]]}
    if breaks != {b.requirement for b in outcome.broken}:
        wrong.append(f"broken: {breaks}, but {outcome.broken}")
    for variable, (then, otherwise) in flat.items():
        layout = encoder.layouts[variable]
        after = reading(layout, iter([found[t] for t in (otherwise if breaks else then)]))
        value = outcome.state[variable]
        if after != value and inhabits(value, layout.type) and not overflows(layout, value):
            wrong.append(f"{variable}: {after!r}, but {value!r}")
    return wrong


def inputs_at(encoder: Encoder, state: State, event: Event) -> dict[Term, Scalar]:
    """The values of the variables of terms at a state and an event."""
    graph = encoder.graph
    found: dict[str, Scalar] = {f"{event.kind}: now": event.now}
    for name, type_ in encoder.program.events[event.kind].fields:
        layout = Layout(type_, 0, False)
        named = columns(layout, f"{event.kind}: {name}")
        found |= {c.name: s for c, s in zip(named, scalars(layout, event.fields[name]), strict=True)}
    for variable, value in state.items():
        layout = encoder.layouts[variable]
        named = columns(layout, str(variable))
        found |= {c.name: s for c, s in zip(named, scalars(layout, value), strict=True)}
    return {var: found[graph.name(var)] for var in graph.variables if graph.name(var) in found}


def overflows(layout: Layout, value: object) -> bool:
    """Whether a bag has more than its places."""
    return layout.places > 0 and isinstance(value, tuple) and len(value) > layout.places


def shuffled(rng: Random, program: Program, state: State) -> State:
    """A state in which some variables have any value of their types."""
    changed = dict(state)
    for name, info in program.variables.items():
        if rng.random() < 0.15 and name != OVER:
            changed[name] = any_value(rng, info.type)
    return changed


def compared(program: Program, rng: Random, conversations: int, length: int) -> Iterator[tuple[Event, list[str]]]:
    """The differences at each step of random conversations, and at a state near each."""
    encoder, world = Encoder(program), outside(program)

    def semantics(of: Program, state: State, event: Event) -> Outcome:
        return step(of, state, event)

    for _ in range(conversations):
        for taken in conversation(rng, world, semantics, length=length):
            yield taken.event, differences(encoder, taken.state, taken.event)
            yield taken.event, differences(encoder, shuffled(rng, program, taken.state), taken.event)


def shipped() -> list[Path]:
    """The policies that the repository has."""
    found = sorted((ROOT / "rules").glob("*/policy.charter"))
    assert found, "no shipped policies"
    return found


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.parent.name)
def test_the_terms_of_a_shipped_policy_say_what_a_step_does(path: Path) -> None:
    loaded = load(path)
    assert isinstance(loaded, Loaded)
    for event, wrong in compared(loaded.program, Random(SEED), 20, 12):
        assert not wrong, f"{event}: {wrong}"


@pytest.mark.parametrize("seed", range(25))
def test_the_terms_of_a_random_policy_say_what_a_step_does(seed: int) -> None:
    rng = Random(SEED + seed)
    loaded = load_text(draft(rng).text)
    assert isinstance(loaded, Loaded), str(loaded)
    for event, wrong in compared(loaded.program, rng, 4, 10):
        assert not wrong, f"{event}: {wrong}"
