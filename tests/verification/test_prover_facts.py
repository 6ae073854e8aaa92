"""What the prover takes to be known of a program, against states that brute force and random conversations reach."""

from itertools import product
from pathlib import Path
from random import Random

import pytest
from explicit import explored

from charter.dsl.load import Loaded, load, load_text
from charter.dsl.program import STARTED, Program
from charter.dsl.semantics import possible, step
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.smt import codes_of
from charter.verification.encode.symbols import columns, scalars
from charter.verification.encode.terms import Graph, Sort, Term, values
from charter.verification.generate.events import conversation, outside
from charter.verification.generate.policies import Size, draft
from charter.verification.prove.books import books, candidates
from charter.verification.prove.coming import open_turn
from charter.verification.prove.facts import Facts, Known
from charter.verification.prove.inductive import inductive
from charter.verification.prove.machine import Machine
from charter.verification.prove.propagate import contradict
from charter.verification.prove.started import needing_start

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
def test_the_facts_of_the_books_are_inductive_together_when_all_are_asked_about_again(seed: int) -> None:
    program = program_of(Random(seed))
    encoder, codes = Encoder(program), codes_of(program)
    machine = Machine(encoder, (), Facts(needing_start(encoder)))
    found = inductive(machine, tuple(candidates(machine)), codes, 20_000_000)
    assert inductive(machine, found, codes, 20_000_000) == found


def test_the_facts_of_the_shipped_policy_say_what_its_transfers_need() -> None:
    """Each is shown only with others of which a part is known where an event comes; that they hold is not enough."""
    loaded = load(Path(__file__).parent.parent.parent / "rules" / "card_support")
    assert isinstance(loaded, Loaded)
    program, encoder = loaded.program, Encoder(loaded.program)
    found = books(encoder, Facts(needing_start(encoder)), codes_of(program), 20_000_000)
    named = {frozenset((encoder.graph.name(column), value) for column, value in clause) for clause in found}
    for queue in program.queues:
        leaves = (f"escalating {queue}", False)
        assert {leaves, ("transferring", True), ("over", True)} in named
        assert {leaves, (f"tried {queue}>0", True), ("over", True)} in named
    awaiting = {(f"calls {tool}#0", True) for tool in program.tools}
    awaiting |= {("pending classify>0", True), ("pending keywords>0", True), ("pending fraud_score>0", True)}
    assert {("turn open", False), ("over", True), ("transferring", True), *awaiting} in named


def test_whether_anything_is_awaited_is_one_flag_where_a_step_leaves_that_alone() -> None:
    graph = Graph()
    turn, over, other, *flags = (graph.var(name, Sort.BOOL) for name in ("turn", "over", "other", "a", "b", "c"))
    awaited = graph.or_(over, *flags)
    opens = [((flag, False), (turn, True), (over, True)) for flag in flags]
    while_awaited = ((turn, False), (over, True), *((flag, True) for flag in flags))
    found = open_turn(graph, awaited, Known([while_awaited, *opens]), turn, frozenset({over}))
    assert found is not None
    assert found.by == {while_awaited, *opens}
    assert found.where({}) is None  # whether it is over is not known
    assert found.where({over: False, flags[0]: True}) is None
    here = found.where({over: False, flags[0]: False})
    assert here is not None
    some = graph.or_(*flags[1:])
    assert here.said(graph, graph.and_(other, graph.not_(some))) == graph.and_(other, graph.not_(turn))
    assert here.said(graph, graph.or_(some, other)) == graph.or_(turn, other)
    assert here.said(graph, flags[1]) == flags[1]
    assert open_turn(graph, awaited, Known(opens), turn, frozenset({over})) is None
    assert open_turn(graph, awaited, Known([while_awaited, *opens[1:]]), turn, frozenset({over})) is None


def test_what_follows_goes_from_clause_to_clause_and_says_from_which() -> None:
    a, b, c, d = (Term(n) for n in range(2, 6))
    first, second = ((a, False), (b, True)), ((b, False), (c, False), (d, True))
    follows = Known([first, second]).following({a: True, c: True})
    assert follows.values == {a: True, b: True, c: True, d: True}
    assert follows.reasons([b]) == {first}
    assert follows.reasons([d]) == {first, second}
    assert follows.reasons([a, c]) == frozenset()


def test_what_no_state_has_is_against_a_clause() -> None:
    a, b = Term(2), Term(3)
    either, neither = ((a, False), (b, True)), ((a, False), (b, False))
    follows = Known([either, neither]).following({a: True})
    assert follows.against in (either, neither)
    assert follows.reasons([]) == {either, neither}
    assert Known([either, neither]).following({a: False}).against is None


@pytest.mark.parametrize("seed", range(300))
def test_terms_that_are_seen_to_contradict_have_no_values_at_once(seed: int) -> None:
    rng, graph = Random(seed), Graph()
    flags = [graph.var(name, Sort.BOOL) for name in "abcd"]
    terms = list(flags)
    for _ in range(8):
        parts = rng.sample(terms, rng.randint(2, min(3, len(terms))))
        terms.append(rng.choice([graph.and_, graph.or_])(*(graph.not_(p) if rng.random() < 0.4 else p for p in parts)))
    asked = [(term, rng.random() < 0.5) for term in rng.sample(terms, 4)]
    cases = [
        all(values(graph, [term], dict(zip(flags, of, strict=True)))[term] is value for term, value in asked)
        for of in product((False, True), repeat=len(flags))
    ]
    assert not (contradict(graph, asked) and any(cases))


def test_a_junction_whose_parts_are_known_contradicts_another_value() -> None:
    graph = Graph()
    flags = [graph.var(f"flag {n}", Sort.BOOL) for n in range(30)]
    for many in (flags[:3], flags):
        assert contradict(graph, [(graph.or_(*many), False), (flags[1], True)])
        assert contradict(graph, [(graph.and_(*many), False), *((flag, True) for flag in many)])
        assert contradict(graph, [(graph.or_(*many), True), *((flag, False) for flag in many)])
        assert not contradict(graph, [(graph.or_(*many), True), *((flag, False) for flag in many[1:])])


@pytest.mark.parametrize("seed", range(12))
def test_an_event_that_needs_the_start_never_comes_before_it(seed: int) -> None:
    rng = Random(seed)
    program = program_of(rng)
    needing = needing_start(Encoder(program))
    assert set(program.events) - needing == {"start"}
    for taken in conversation(rng, outside(program), step, length=8, hostile=0.5):
        if taken.event.kind in needing and possible(program, taken.state, taken.event):
            assert taken.state[STARTED]
