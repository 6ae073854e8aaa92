"""One goal, pursued: keep few columns, look for an invariant, else for a path; what is spurious says what to keep.

Everything that is not kept may be anything, so an invariant of the picture is one of the program. A path of the picture
is real, or some columns that it leaves free stand against it. There are finitely many, so one of both comes.
"""

from dataclasses import dataclass
from typing import TypeAlias

from charter.dsl.program import Event, Program
from charter.dsl.semantics import Outcome
from charter.verification.encode.smt import Codes, written
from charter.verification.encode.terms import TRUE, Term
from charter.verification.prove.conversation import Incident, Otherwise, Replayed, events_of, replayed
from charter.verification.prove.guide import Guide, guided
from charter.verification.prove.horn import clauses
from charter.verification.prove.lemmas import lemmas, suffices
from charter.verification.prove.machine import Goal, Machine
from charter.verification.prove.paths import Blocked, Exhausted, Path, Walk, followed, shortest
from charter.verification.prove.pictures import pictured
from charter.verification.prove.solver import Safe, Unclear, Unsafe, reaches
from charter.verification.prove.unroll import at

EAGER = 3  # so many events more than last time are searched before an invariant is


@dataclass(frozen=True, slots=True)
class Budget:
    """How much Z3 may work, in its own unit, on each question; how long a conversation is searched; how many rounds,
    and after how many of them a conversation that comes near is made use of: most proofs take fewer."""

    invariant: int = 40_000_000
    path: int = 20_000_000
    walk: int = 100_000_000
    length: int = 24
    rounds: int = 60
    alone: int = 7


@dataclass(frozen=True, slots=True)
class Holds:
    """The goal is never missed: the invariant is over the kept columns, `k0`, `k1`, …, as SMT-LIB."""

    invariant: str
    kept: tuple[str, ...]
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Missed:
    """A shortest conversation that misses the goal, as the meaning of the program plays it; without outcomes where the
    goal was asked. `kept`: the columns through which no shorter one is seen."""

    events: tuple[Event, ...]
    outcomes: tuple[Outcome, ...]
    kept: tuple[str, ...]
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undecided:
    """Neither was found; `explored`: no shorter conversation misses the goal."""

    why: str
    explored: int


Pursued: TypeAlias = Holds | Missed | Undecided


class InternalError(Exception):
    """The prover and the meaning of a program differ: a mistake of ours, never a finding."""


def pursue(
    machine: Machine, program: Program, goal: Goal, codes: Codes, budget: Budget, guide: Guide | None = None
) -> Pursued:
    """Whether any conversation misses the goal, which is a requirement of `program` or one of every policy."""
    return _Pursuit(machine, program, goal, codes, budget, guide).run()


@dataclass(slots=True)
class _Pursuit:
    machine: Machine
    program: Program
    goal: Goal
    codes: Codes
    budget: Budget
    guide: Guide | None
    kept: tuple[Term, ...] = ()
    without: tuple[str, ...] = ()
    exact: bool = False
    least: int = 1
    eager: int = EAGER

    def run(self) -> Pursued:
        self.kept = self.machine.begins_with(self.goal)
        for number in range(self.budget.rounds):
            if self.guide is not None and number == (0 if self.guide.goal == self.goal else self.budget.alone):
                self._follow_guide(self.guide)
            found = self._round()
            if found is not None:
                return found
        return Undecided("too many rounds", self.least - 1)

    def _round(self) -> Pursued | None:
        """A verdict, or None where the picture has become finer."""
        machine, budget = self.machine, self.budget
        picture = pictured(machine, self.goal, self.kept, self.without, exact=self.exact)
        if not picture.misses:
            return Holds("true", (), self.without)
        eager = min(self.least + self.eager, budget.length)
        path = shortest(machine, picture, self.codes, least=self.least, most=eager, budget=budget.path)
        if isinstance(path, Exhausted):
            self.least = eager + 1
            lemma = lemmas(machine, picture, self.codes, budget.path)
            if suffices(machine, picture, lemma, self.codes, budget.path):
                return self._holds("true", lemma)
            answer = reaches(clauses(machine, picture, self.codes, lemma), budget.invariant)
            match answer:
                case Safe(invariant):
                    return self._holds(invariant, lemma)
                case Unclear(why):
                    deeper = budget.length
                    path = shortest(machine, picture, self.codes, least=self.least, most=deeper, budget=budget.path)
                    if not isinstance(path, tuple):
                        return Undecided(f"no invariant: {why}", self.least - 1)
                case Unsafe():
                    path = shortest(
                        machine, picture, self.codes, least=self.least, most=budget.length, budget=budget.path
                    )
        match path:
            case Exhausted(length):
                return Undecided(f"no conversation of at most {length} events", length)
            case Unclear(why):
                return Undecided(f"no path: {why}", self.least - 1)
            case _:
                self.least = len(path)
                return self._follow(path)

    def _follow_guide(self, guide: Guide) -> None:
        """Keeps what matters on the way to where the conversation comes, which a path is likely to come to then."""
        found = guided(self.machine, guide, self.kept, self.without, self.codes, budget=self.budget.path)
        self.kept = tuple(sorted(found.union(self.kept)))
        self.eager = self.budget.length

    def _holds(self, invariant: str, lemma: Term) -> Holds:
        graph = self.machine.graph
        names = {column: f"k{i}" for i, column in enumerate(self.kept)}
        also = written(graph, lemma, self.codes, names.__getitem__)
        whole = invariant if lemma == TRUE else also if invariant == "true" else f"(and {invariant} {also})"
        return Holds(whole, self._names(), self.without)

    def _names(self) -> tuple[str, ...]:
        return tuple(self.machine.graph.name(column) for column in self.kept)

    def _follow(self, path: Path) -> Pursued | None:
        walk = followed(self.machine, self.goal, path, self.kept, self.without, self.codes, budget=self.budget.walk)
        match walk:
            case Unclear(why):
                return Undecided(f"no way along a path: {why}", self.least - 1)
            case Blocked(columns):
                if columns:
                    self.kept = tuple(sorted({*self.kept, *columns}))
                elif not self.exact:
                    self.exact = True
                else:
                    raise InternalError(f"`{self.goal.name}`: an exact path cannot be followed")
                return None
            case Walk():
                return self._replay(walk)

    def _replay(self, walk: Walk) -> Pursued | None:
        events = events_of(self.machine.encoder, walk, self.codes)
        if self.goal.asked:
            return Missed(events, (), self._names(), self.without)  # only who asked knows what it means
        match replayed(self.program, events, self.goal.name):
            case Replayed(played, outcomes):
                if len(played) < len(events) and self.goal.case is None:
                    raise InternalError(f"`{self.goal.name}`: it breaks at {len(played)} of {len(events)}: {events}")
                return Missed(played, outcomes, self._names(), self.without)
            case Incident(goals) if not goals <= set(self.without):
                self.without = tuple(sorted({*self.without, *goals}))
                return None
            case Incident(goals):
                raise InternalError(f"`{self.goal.name}`: {sorted(goals)} break on the way, though they were excluded")
            case Otherwise() if self._mixes_calls(walk):
                return Undecided(
                    "more calls of one tool are open or uncertain at once than are told apart", self.least - 1
                )
            case Otherwise(why):
                raise InternalError(f"`{self.goal.name}`: {why}: {events}")

    def _mixes_calls(self, walk: Walk) -> bool:
        """Whether a call came when all places of its tool's calls were taken: then the path need not be real."""
        graph = self.machine.graph
        mixed = [column for column in self.machine.place if graph.name(column).endswith("#more")]
        return any(walk.values.get(at(graph, column, i)) is True for column in mixed for i in range(len(walk.kinds)))
