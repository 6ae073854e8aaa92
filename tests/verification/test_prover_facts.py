"""What the prover takes to be known of a program, against states that brute force and random conversations reach."""

from random import Random

import pytest
from explicit import explored

from charter.dsl.load import Loaded, load_text
from charter.dsl.program import STARTED, Program
from charter.dsl.semantics import possible, step
from charter.verification.books import books
from charter.verification.encode import Encoder
from charter.verification.facts import Facts
from charter.verification.generate import Size, draft
from charter.verification.generate_events import conversation, outside
from charter.verification.smt import codes_of
from charter.verification.started import needing_start
from charter.verification.symbols import columns, scalars

SMALL = Size(facts=2, defines=1, agents=2, tools=2, outside=1, rules=8, requirements=0)
OWN = ("owed ", "clock")  # what only the prover remembers


def program_of(rng: Random) -> Program:
    """A random small program."""
    loaded = load_text(draft(rng, SMALL).text)
    assert isinstance(loaded, Loaded), str(loaded)
    return loaded.program


@pytest.mark.parametrize("seed", range(12))
def test_the_facts_of_the_books_hold_in_every_state_that_brute_force_reaches(seed: int) -> None:
    program = program_of(Random(seed))
    encoder = Encoder(program)
    found = books(encoder, Facts(needing_start(encoder)), codes_of(program), 20_000_000)
    names = [[(encoder.graph.name(column), value) for column, value in clause] for clause in found]
    assert any(len(clause) == 1 for clause in names)
    about = [clause for clause in names if not any(name.startswith(OWN) for name, _ in clause)]
    for state in explored(program, 200).states:
        here: dict[str, object] = {}
        for variable, value in state.items():
            layout = encoder.layouts[variable]
            named = columns(layout, str(variable))
            here |= {column.name: s for column, s in zip(named, scalars(layout, value), strict=True)}
        for clause in about:
            assert any(here[name] is value for name, value in clause), clause


@pytest.mark.parametrize("seed", range(12))
def test_an_event_that_needs_the_start_never_comes_before_it(seed: int) -> None:
    rng = Random(seed)
    program = program_of(rng)
    needing = needing_start(Encoder(program))
    assert set(program.events) - needing == {"start"}
    for taken in conversation(rng, outside(program), step, length=8, hostile=0.5):
        if taken.event.kind in needing and possible(program, taken.state, taken.event):
            assert taken.state[STARTED]
