"""What stands of the proofs about a program when some of its rules have changed, without searching for a proof.

An invariant is kept by every step; the steps on a kind of event whose rules are the same are the same. So the facts and
the invariants are shown again for the kinds that changed, and for these only. Nothing here is read from a disk: whoever
asks has the proofs from the prover.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from charter.dsl.program import STEP_CHECKS, Clause, EventKind, Program
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.smt import Codes
from charter.verification.encode.terms import Term
from charter.verification.prove.checks import cases
from charter.verification.prove.hints import confirmed
from charter.verification.prove.inductive import inductive
from charter.verification.prove.invariants import FACTS
from charter.verification.prove.machine import Goal, Machine, goals_of
from charter.verification.prove.prove import Settings, Subject, proved, subject_of
from charter.verification.prove.pursue import Budget, Holds
from charter.verification.prove.started import needing_start_among
from charter.verification.prove.verdicts import Invariant, Proved, Result
from charter.verification.prove.witnesses import still, witnesses
from charter.verification.workers import Failed, worked


@dataclass(frozen=True, slots=True)
class Standing:
    """A program with what was proved of it, by name."""

    subject: Subject
    proved: Mapping[str, Proved]

    @classmethod
    def after(cls, subject: Subject, results: Iterable[Result]) -> "Standing":
        """With those of the results that are proofs."""
        verdicts = {result.name: result.verdict for result in results}
        return cls(subject, {name: found for name, found in verdicts.items() if isinstance(found, Proved)})

    def of(self, program: Program, settings: Settings) -> bool:
        """Whether all of it is proved of this program too; False also where that is not seen at once."""
        return self.lost(program, settings) == frozenset()

    def lost(self, program: Program, settings: Settings) -> frozenset[str] | None:
        """The goals whose proofs do not stand for this program; None where that is not seen at once."""
        asked = worked((program,), lambda program: self._lost(program, settings), settings.limits)
        return next((found for _, found in asked if not isinstance(found, Failed)), None)

    def _lost(self, program: Program, settings: Settings) -> frozenset[str] | None:
        changed = _changed(self.subject.program, program)
        if changed is None:
            return None
        encoder = Encoder(program, rows=settings.rows)
        needing = needing_start_among(encoder, changed)
        if needing is None or needing != self.subject.facts.needing_start.intersection(changed):
            return None
        facts = replace(self.subject.facts, needing_start=needing, clauses=self._clauses(encoder))
        machine, codes = Machine(encoder, goals_of(program), facts, changed), self.subject.codes.copy()
        if set(inductive(machine, facts.clauses, codes, settings.budget.path)) != set(facts.clauses):
            return None
        lost = {name for name in self.proved if not self._holds(name, machine, codes, settings.budget)}
        return frozenset(lost | self._not_met(program, frozenset(changed)))

    def _clauses(self, encoder: Encoder) -> tuple[tuple[tuple[Term, bool], ...], ...]:
        """The facts, about the columns of this encoder."""
        old, new = self.subject.machine.graph, encoder.graph
        return tuple(
            tuple((new.var(old.name(column), old.sort[column]), value) for column, value in clause)
            for clause in self.subject.facts.clauses
        )

    def _holds(self, name: str, machine: Machine, codes: Codes, budget: Budget) -> bool:
        """Whether the invariants of a goal are kept by the steps of the machine, and keep each of its cases."""
        program = machine.encoder.program
        known = {each.case: each for each in self.proved[name].invariants if each.case != FACTS}
        if name not in STEP_CHECKS:
            return all(_kept(machine, program, machine.goals[name], codes, budget, each) for each in known.values())
        goals = {_case(goal): goal for goal in cases(machine, name, codes, budget)}
        here = {case: each for case, each in known.items() if _kind(case, name) not in machine.kinds}
        goals |= {case: Goal(name, case=(_kind(case, name), _number(case))) for case in here}
        return goals.keys() <= known.keys() and all(
            _kept(machine, program, goal, codes, budget, known[case]) for case, goal in goals.items()
        )

    def _not_met(self, program: Program, changed: frozenset[EventKind]) -> set[str]:
        """The requirements of which no conversation shows any more that they matter. Those without a changed kind still
        do; in place of the others more are looked for."""
        told = {(name, number): events for name, proof in self.proved.items() for number, events in proof.occasions}
        touched = {key: events for key, events in told.items() if any(event.kind in changed for event in events)}
        gone = touched.keys() - still(program, touched).keys() if touched else set()
        return {name for name, _ in gone - witnesses(program, None).keys()} if gone else set()


def standing_of(program: Program, settings: Settings) -> Standing:
    """What is proved of a program from the start."""
    subject = subject_of(program, settings)
    return Standing.after(subject, proved(subject, settings.limits))


def _kept(machine: Machine, program: Program, goal: Goal, codes: Codes, budget: Budget, by: Invariant) -> bool:
    hint = Holds(by.text, by.columns, by.beside)
    return confirmed(machine, program, goal, codes, budget.path, hint, shortest=False) is not None


def _changed(old: Program, new: Program) -> tuple[EventKind, ...] | None:
    """The kinds of events whose rules differ; None where anything else does."""
    if _frame(old) != _frame(new):
        return None
    return tuple(kind for kind in new.events if list(_rules(old, kind)) != list(_rules(new, kind)))


def _frame(program: Program) -> Program:
    """The program without its rules."""
    return replace(program, digest="", rules={}, strata={})


def _rules(program: Program, kind: EventKind) -> Iterator[tuple[Clause, ...]]:
    """What rules do on a kind of event; the places of acts count only by their order."""
    strata = program.strata[kind]
    places = sorted(site.place for stratum in strata for clause in stratum for site in clause.acts)
    rank = {place: number for number, place in enumerate(places)}
    for stratum in strata:
        yield tuple(
            replace(clause, acts=tuple(replace(site, place=rank[site.place]) for site in clause.acts))
            for clause in stratum
        )


def _case(goal: Goal) -> str:
    return " ".join((goal.name, *(str(part) for part in goal.case or ())))


def _kind(case: str, name: str) -> EventKind:
    return EventKind(case.removeprefix(f"{name} ").rsplit(" ", 1)[0])


def _number(case: str) -> int:
    return int(case.rsplit(" ", 1)[1])
