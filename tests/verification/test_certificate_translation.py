"""The second translation against the meaning: each step of random conversations, computed by cvc5 and by `step`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import cvc5
import pytest

from charter.dsl.load import Loaded, load, load_text
from charter.dsl.program import OVER, Event, EventKind, Program, State, Variable
from charter.dsl.semantics import Outcome, trusted
from charter.dsl.semantics import step as meant
from charter.verification.certificate.books import books
from charter.verification.certificate.columns import Columns, constant
from charter.verification.certificate.obligations import Invariants, clauses_of
from charter.verification.certificate.order import CLOCK
from charter.verification.certificate.reader import read
from charter.verification.certificate.script import FALSE, TRUE, Term, number
from charter.verification.certificate.step import Step, step
from charter.verification.certificate.world import World, world_of
from charter.verification.generate.events import any_value, conversation, outside
from charter.verification.generate.policies import draft

ROOT = Path(__file__).parent.parent.parent
SEED = 31_415


class Evaluated:
    """The translation of one kind of event, for values to be put in."""

    def __init__(self, world: World, kind: EventKind) -> None:
        self.world, self.kind = world, kind
        self.made: Step = step(world, kind, world.state)
        self.comes = world.script.and_(self.made.comes)
        terms = [self.comes, *self.made.stopped.values(), *self.made.broken.values()]
        terms += [term for of in self.made.after.values() for term in of.values()]
        inputs = [term for of in (*world.state.values(), *world.fields(kind).values()) for term in of.values()]
        inputs.append(world.now(kind))
        self.solver = cvc5.Solver(cvc5.TermManager())
        self.symbols = cvc5.SymbolManager(self.solver.getTermManager())
        self.solver.setOption("incremental", "true")
        self.solver.setOption("produce-models", "true")
        self.tell("(set-logic ALL)")
        text, self.names = world.script.printed([*terms, *inputs])
        self.tell(text)

    def tell(self, text: str) -> str:
        """Gives commands to cvc5, and has what it says."""
        parser = cvc5.InputParser(self.solver, self.symbols)
        parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "test")
        said = ""
        while not (command := parser.nextCommand()).isNull():
            said += str(command.invoke(self.solver, self.symbols))
        return said

    def at(self, state: Mapping[Variable, Columns], event: Event) -> Iterator[str]:
        """The commands that put a state and an event in."""
        for variable, given in state.items():
            yield from self._set(self.world.state[variable], given)
        fields = self.world.program.events[self.kind].fields
        for name, type_ in fields:
            yield from self._set(self.world.fields(self.kind)[name], self.value(event.fields[name], type_))
        yield from self._set({"": self.world.now(self.kind)}, {"": number(event.now)})

    def _set(self, variables: Columns, given: Columns) -> Iterator[str]:
        for name, term in variables.items():
            yield f"(assert (= {self.names[term.text]} {given[name].text}))"

    def value(self, value: object, type_: object, places: int = 0) -> Columns:
        """The columns of a plain value."""
        return constant(self.world.numbering, value, type_, places)  # type: ignore[arg-type]  # a value of that type

    def values(self, terms: list[Term]) -> dict[str, str]:
        """The values of terms where everything is put in."""
        asked = list(dict.fromkeys(self.names[term.text] for term in terms if term.value is None))
        said = self.tell(f"(get-value ({' '.join(asked)}))").strip()
        values = dict(pair.split(" ", 1) for pair in said[2:-2].split(") ("))
        return {term.text: values[self.names[term.text]] if term.value is None else term.text for term in terms}


@dataclass(slots=True)
class Compared:
    """How many steps were compared, and how many of them broke something."""

    steps: int = 0
    broke: int = 0
    dropped: int = 0


def differences(of: Evaluated, state: State, event: Event, seen: Compared) -> list[str]:
    """Where the translation and the meaning of one step differ."""
    world, made = of.world, of.made
    program = world.program
    given = {**world.initial, **columns_in(of.world, state), CLOCK: {"": number(event.now)}}
    of.tell("(push 1)" + "".join(of.at(given, event)))
    assert of.tell("(check-sat)").strip() == "sat"
    after = {name: made.after[name] for name in program.variables}
    roots = [of.comes, *made.stopped.values(), *made.broken.values()]
    found = of.values([*roots, *(term for columns in after.values() for term in columns.values())])
    of.tell("(pop 1)")
    outcome = meant(program, state, event)
    comes = outcome.dropped is None and trusted(program, state, event)
    if (found[of.comes.text] == "true") is not comes:
        return [f"it comes: {found[of.comes.text]}, but {comes}"]
    seen.steps += 1
    if not comes:
        seen.dropped += 1
        return []
    stopped = {name for name, term in made.stopped.items() if found[term.text] == "true"}
    breaks = stopped or {name for name, term in made.broken.items() if found[term.text] == "true"}
    if breaks != {broken.requirement for broken in outcome.broken}:
        return [f"broken: {breaks}, but {outcome.broken}"]
    if breaks:
        seen.broke += 1
        return []
    return [
        f"{name}{inner}: {found[after[name][inner].text]}, but {term.text}"
        for name, columns in columns_in(of.world, outcome.state).items()
        for inner, term in meaningful(columns)
        if found[after[name][inner].text] != term.text
    ]


def columns_in(world: World, state: State) -> dict[Variable, Columns]:
    """A state of the program as columns."""
    infos = world.program.variables
    room = {name: sum(inner[1:].isdigit() for inner in world.state[name]) for name in infos}
    return {name: constant(world.numbering, value, infos[name].type, room[name]) for name, value in state.items()}


def meaningful(columns: Columns) -> Iterator[tuple[str, Term]]:
    """The columns that are not of something unknown, or of a place that is not taken."""
    flags = [name for name, term in columns.items() if term == FALSE and (name[-1:] == "?" or name[1:].isdigit())]
    for name, term in columns.items():
        if not any(name != flag and name.startswith(flag.rstrip("?")) for flag in flags):
            yield name, term


def overflows(of: Evaluated, state: State) -> bool:
    """Whether there are more open calls than places: then what becomes of them is left open."""
    return any(columns.get("#more", FALSE) == TRUE for columns in columns_in(of.world, state).values())


def shuffled(rng: Random, program: Program, state: State) -> State:
    """A state in which some variables have any value of their types."""
    changed = dict(state)
    for name, info in program.variables.items():
        if rng.random() < 0.15 and name != OVER:
            changed[name] = any_value(rng, info.type)
    return changed


def compared(program: Program, rng: Random, conversations: int, length: int) -> Compared:
    """All steps of random conversations, and at a state near each, which must not differ."""
    world, outer, seen = world_of(program, {}), outside(program), Compared()
    kinds: dict[EventKind, Evaluated] = {}

    def semantics(of: Program, state: State, event: Event) -> Outcome:
        return meant(of, state, event)

    for _ in range(conversations):
        for taken in conversation(rng, outer, semantics, length=length):
            kind = taken.event.kind
            if kind not in kinds:
                kinds[kind] = Evaluated(world, kind)
            for state in (taken.state, shuffled(rng, program, taken.state)):
                if not overflows(kinds[kind], state):
                    wrong = differences(kinds[kind], state, taken.event, seen)
                    assert not wrong, f"{taken.event}: {wrong}"
    return seen


def shipped() -> list[Path]:
    """The policies that the repository has."""
    found = sorted((ROOT / "rules").glob("*/policy.charter"))
    assert found, "no shipped policies"
    return found


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.parent.name)
def test_the_second_translation_of_a_shipped_policy_says_what_a_step_does(path: Path) -> None:
    loaded = load(path)
    assert isinstance(loaded, Loaded)
    seen = compared(loaded.program, Random(SEED), 8, 12)
    assert seen.steps > seen.dropped > 0
    assert seen.broke > 0


@pytest.mark.parametrize("seed", range(12))
def test_the_second_translation_of_a_random_policy_says_what_a_step_does(seed: int) -> None:
    rng = Random(SEED + seed)
    loaded = load_text(draft(rng).text)
    assert isinstance(loaded, Loaded), str(loaded)
    seen = compared(loaded.program, rng, 3, 10)
    assert seen.steps > seen.dropped


@pytest.mark.parametrize("seed", range(12))
def test_what_is_said_of_the_books_is_true_along_random_conversations(seed: int) -> None:
    rng = Random(SEED + seed)
    loaded = load_text(draft(rng).text)
    assert isinstance(loaded, Loaded), str(loaded)
    program, world, seen = loaded.program, world_of(loaded.program, {}), 0
    stated = [clause for about, text in books(world).items() for clause in clauses_of(about, read(text))]
    for _ in range(20):
        for taken in conversation(rng, outside(program), meant, length=12):
            at = {**world.initial, **columns_in(world, taken.state), CLOCK: {"": number(taken.event.now)}}
            holds = Invariants(world, stated).in_(at).clauses
            assert all(term == TRUE for term in holds), taken.state
            seen += 1
            if taken.outcome.broken:
                break  # what comes after a safe stop is no part of a proof
    assert seen > 10
