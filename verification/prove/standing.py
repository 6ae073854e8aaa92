"""What stands of the proofs about a program when some of its rules have changed, without searching for a proof.

An invariant is kept by every step; the steps on a kind of event whose rules are the same are the same. So the facts and
the invariants are shown again for the kinds that changed, and for these only; and of these only what is about anything
that their steps now do otherwise. Nothing here is read from a disk: whoever asks has the proofs from the prover.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from charter.dsl.program import STEP_CHECKS, Clause, EventKind, Program, Role
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.smt import Codes, codes_of
from charter.verification.prove.checks import cases
from charter.verification.prove.edited import Edited, edited
from charter.verification.prove.hints import confirmed
from charter.verification.prove.inductive import still_inductive
from charter.verification.prove.invariants import FACTS
from charter.verification.prove.machine import Goal, Machine, goals_of
from charter.verification.prove.prove import Settings, Subject, proved, subject_of
from charter.verification.prove.pursue import Budget, Holds
from charter.verification.prove.recall import Recall
from charter.verification.prove.started import needing_start_among
from charter.verification.prove.verdicts import Invariant, Proved, Result
from charter.verification.prove.witnesses import Met, Witnesses, still, witnesses
from charter.verification.workers import worked


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
        changed = _changed(self.subject.program, program)
        if changed is None:
            return None
        before, facts = self.subject.machine.encoder, self.subject.facts
        encoder = self._encoder(program, settings)
        needing = needing_start_among(encoder, changed)
        if needing is None or needing != facts.needing_start.intersection(changed):
            return None
        machine = Machine(encoder, goals_of(program), replace(facts, needing_start=needing), changed)
        return self._lost(machine, [edited(before, encoder, kind) for kind in changed], settings)

    def edited(self, program: Program, lost: Container[str], settings: Settings) -> Subject:
        """The program, ready to be asked about what was lost. INVARIANT: of all that was proved only that was."""
        encoder, facts, told = self._encoder(program, settings), self.subject.facts, self._told()
        changed = _changed(self.subject.program, program) or ()
        encoder.take(self.subject.machine.encoder, (kind for kind in program.events if kind not in changed))
        met = Met(still(program, {key: events for key, events in told.items() if key[0] in lost}))
        machine, codes = Machine(encoder, goals_of(program), facts), codes_of(program)
        return Subject(program, facts, machine, codes, settings.budget, Recall(settings.cache), met)

    def _encoder(self, program: Program, settings: Settings) -> Encoder:
        """Of a program with the same state, so that what is the same is the same terms."""
        return Encoder(program, graph=self.subject.machine.graph.copy(), rows=settings.rows)

    def _told(self) -> Witnesses:
        return {(name, number): events for name, proof in self.proved.items() for number, events in proof.occasions}

    def _lost(self, machine: Machine, edits: Sequence[Edited], settings: Settings) -> frozenset[str] | None:
        jobs, budget, codes = settings.limits.jobs, settings.budget, self.subject.codes

        def facts() -> frozenset[str] | None:
            about = {e.kind: machine.columns_of(e.moved) if e.comes_alike else machine.place for e in edits}
            keeps = still_inductive(machine, self.subject.facts.clauses, codes.copy(), budget.path, about)
            return frozenset() if keeps else None

        def not_met() -> frozenset[str]:
            return self._not_met(machine.encoder.program, frozenset(machine.kinds))

        def not_kept(names: Sequence[str]) -> frozenset[str]:
            return frozenset(name for name in names if not self._holds(name, machine, codes.copy(), budget))

        touched = [name for name in self.proved if not self._is_untouched(name, machine, edits)]
        shares = [partial(not_kept, touched[i::jobs]) for i in range(jobs)]
        tasks: Sequence[Callable[[], frozenset[str] | None]] = (*shares, facts, not_met)
        lost: set[str] = set()
        for _, found in worked(tasks, lambda work: work(), settings.limits):
            if not isinstance(found, frozenset):
                return None
            lost |= found
        return frozenset(lost)

    def _is_untouched(self, name: str, machine: Machine, edits: Iterable[Edited]) -> bool:
        """Whether all that the proof of a goal is about are the same terms in the steps as they are now."""
        infos, invariants = machine.encoder.infos, [i for i in self.proved[name].invariants if i.case != FACTS]
        goals = [machine.goals[each] for each in {name, *(beside for i in invariants for beside in i.beside)}]
        columns = {machine.named[column] for i in invariants for column in i.columns}
        variables = {machine.place[column][0] for column in columns.union(machine.begins_with(machine.goals[name]))}
        remembered = {v for v in variables if v in infos and infos[v].role is Role.GHOST}
        return remembered.issubset(ghost for goal in goals for ghost in goal.ghosts) and all(
            edit.comes_alike and edit.moved.isdisjoint(variables) and all(map(edit.is_judged_alike, goals))
            for edit in edits
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

    def _not_met(self, program: Program, changed: frozenset[EventKind]) -> frozenset[str]:
        """The requirements of which no conversation shows any more that they matter. Those without a changed kind still
        do; in place of the others more are looked for."""
        touched = {
            key: events for key, events in self._told().items() if any(event.kind in changed for event in events)
        }
        gone = touched.keys() - still(program, touched).keys() if touched else set()
        return frozenset(name for name, _ in gone - witnesses(program, None).occasions.keys()) if gone else frozenset()


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
