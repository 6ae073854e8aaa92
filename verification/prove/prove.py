"""From a program to verdicts: what holds for every policy, then each requirement, in processes that can be killed."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from math import inf
from typing import TypeVar

from charter.dsl.program import STEP_CHECKS, Event, EventKind, Moment, Program, Requirement
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.smt import Codes, codes_of
from charter.verification.prove.books import NOTHING, books
from charter.verification.prove.cache import Cache
from charter.verification.prove.checks import checked
from charter.verification.prove.conversation import Replayed
from charter.verification.prove.facts import Facts
from charter.verification.prove.guide import Guide
from charter.verification.prove.inductive import Looked
from charter.verification.prove.invariants import of_facts
from charter.verification.prove.machine import Goal, Machine, goal_of, goals_of
from charter.verification.prove.pictures import pictured
from charter.verification.prove.played import Breaks, breaks
from charter.verification.prove.pursue import Budget, Holds, Missed, Pursued, Undecided
from charter.verification.prove.recall import Recall
from charter.verification.prove.started import needing_start
from charter.verification.prove.trigger import occasions, with_probe
from charter.verification.prove.verdicts import Invariant, Proved, Refuted, Result, Unknown, Vacuous, Verdict
from charter.verification.prove.witnesses import Met, witnesses
from charter.verification.workers import Failed, Limits, beside, worked

MANY = 4
"""Goals that look at the same moments, from which on one of them is pictured beforehand."""

_A = TypeVar("_A")


@dataclass(frozen=True, slots=True)
class Settings:
    """How hard is tried, where what was found before is remembered, and how numbers are laid out (see `Encoder`)."""

    budget: Budget = field(default_factory=Budget)
    limits: Limits = field(default_factory=Limits)
    cache: Cache | None = None
    rows: bool = True


@dataclass(frozen=True, slots=True)
class Subject:
    """What is proved about: a program with its steps as terms, and what is known of them already."""

    program: Program
    facts: Facts
    machine: Machine
    codes: Codes
    budget: Budget
    recall: Recall
    met: Met

    def late_first(self) -> list[str]:
        """The names of all goals; those first that matter late in conversations, or nobody knows when, since they take
        longest."""
        guides = {requirement.name: self.guide(requirement) for requirement in self.program.requirements}
        late = {name: inf if guide is None else len(guide.kinds) for name, guide in guides.items()}
        return sorted(self.machine.goals, key=lambda name: late.get(name, 0), reverse=True)

    def guide(self, requirement: Requirement) -> Guide | None:
        """A conversation that would break the requirement, or else the longest that comes to what it is about."""
        name, met = requirement.name, self.met
        if name in met.breaks:
            return Guide(self.machine.goals[name], _kinds(met.breaks[name]))
        about = chain.from_iterable(occasions(self.program, requirement))
        come = (o for o in about if (name, o.number) in met.occasions)
        latest = max(come, key=lambda o: len(met.occasions[name, o.number]), default=None)
        if latest is None:
            return None
        return Guide(goal_of(self.program, latest.probe), _kinds(met.occasions[name, latest.number]))

    def pursued(self, program: Program, name: str) -> Pursued:
        """What comes of a requirement of the program, or of one that differs in what it requires."""
        machine, real = self.machine, program is self.program
        required = next(each for each in program.requirements if each.name == name)
        if not real:
            machine = machine.requiring({**machine.goals, name: goal_of(program, required)}.values())
        goal, codes, guide = machine.goals[name], self.codes.copy(), self.guide(required) if real else None
        return self.recall.pursue(machine, program, goal, codes, self.budget, guide, shortest=real)


def _kinds(events: Iterable[Event]) -> tuple[EventKind, ...]:
    return tuple(event.kind for event in events)


class _Unfinished(Exception):
    """A piece of the work came to nothing."""


def subject_of(program: Program, settings: Settings) -> Subject:
    """The program, ready to be asked about. It is played at the same time."""
    with beside(partial(witnesses, program, settings.cache), settings.limits) as playing:
        encoder = Encoder(program, rows=settings.rows)
        for kind in program.events:
            encoder.step(kind)
        facts = Facts(needing_start(encoder))
        with suppress(_Unfinished):  # what failed is done without
            spread = partial(_spread, limits=settings.limits)
            facts = replace(facts, clauses=books(encoder, facts, codes_of(program), settings.budget.path, spread))
        machine = Machine(encoder, goals_of(program), facts)
        for goal in (NOTHING, *_typical(machine)):  # what all the others begin with
            pictured(machine, goal, machine.begins_with(goal), ())
        met = playing()
    come_across = Met() if isinstance(met, Failed) else met
    return Subject(program, facts, machine, codes_of(program), settings.budget, Recall(settings.cache), come_across)


def _typical(machine: Machine) -> Iterator[Goal]:
    """One goal of each many that look at the same moments, besides some of their own."""
    moments = {goal: frozenset(watch.moment for watch in goal.watches) for goal in machine.goals.values()}
    often = Counter(chain.from_iterable(moments.values()))
    alike: dict[frozenset[Moment], list[Goal]] = {}
    for goal, looked_at in moments.items():
        alike.setdefault(frozenset(moment for moment in looked_at if often[moment] > 1), []).append(goal)
    return (goals[0] for shared, goals in alike.items() if shared and len(goals) >= MANY)


def _spread(pieces: Sequence[Callable[[], Looked]], limits: Limits) -> Iterator[Looked]:
    """What comes of the pieces, as it comes, each in a process of its own."""
    for _, found in worked(pieces, lambda piece: piece(), limits):
        if isinstance(found, Failed):
            raise _Unfinished
        yield found


def prove(program: Program, settings: Settings, first: Container[str] = ()) -> Iterator[Result]:
    """The verdicts, as they come, of these requirements first; where a built-in check fails, nothing that depends on it
    is called proved."""
    subject = subject_of(program, settings)
    yield from proved(subject, settings.limits, sorted(subject.late_first(), key=lambda name: name not in first))


def proved(subject: Subject, limits: Limits, names: Collection[str] | None = None) -> Iterator[Result]:
    """The verdicts on a program that is ready to be asked about, or on what has these names, in this order but for the
    built-in checks, which come first."""
    every = {requirement.name: requirement for requirement in subject.program.requirements}
    asked = subject.late_first() if names is None else names
    checks = tuple(name for name in asked if name in STEP_CHECKS)
    requirements = {name: every[name] for name in asked if name in every}
    leaning_on = of_facts(subject.machine.graph, subject.facts.clauses)

    def work(name: str) -> tuple[Verdict, float, int]:
        began = time.process_time()
        verdict = _judged(subject, requirements[name]) if name in requirements else _checked(subject, name)
        return verdict, time.process_time() - began, subject.recall.searched  # this process does nothing else

    failing, played = None, None
    for name, answer in _with_first(checks, worked((*checks, *requirements), work, limits)):
        verdict, seconds, searched = (Unknown(answer.why, 0), 0.0, 1) if isinstance(answer, Failed) else answer
        if isinstance(verdict, Proved):
            verdict = replace(verdict, invariants=(*verdict.invariants, leaning_on))
        if isinstance(verdict, Unknown):
            played = _broken_by_playing(subject.program, limits) if played is None else played
            verdict = _unless_broken(verdict, played.get(name))
        if failing is not None and isinstance(verdict, Proved):
            verdict = Unknown(f"it holds, but only while `{failing}` does", 0)
        elif name in STEP_CHECKS and not isinstance(verdict, Proved):
            failing = failing or name
        yield _result(name, requirements.get(name), verdict, seconds, searched)


def broken(subject: Subject, name: str) -> Refuted | Unknown | None:
    """How a goal breaks, or why that is not decided; in this process, whatever else breaks or matters."""
    found = _checked(subject, name) if name in STEP_CHECKS else _decided(subject, name)
    return found if isinstance(found, Refuted | Unknown) else None


def _with_first(names: Iterable[str], answers: Iterable[tuple[str, _A]]) -> Iterator[tuple[str, _A]]:
    """The answers as they come, but none before those of these names."""
    missing, held = set(names), list[tuple[str, _A]]()
    for name, answer in answers:
        if not missing or name in missing:
            yield name, answer
        else:
            held.append((name, answer))
        missing.discard(name)
        if not missing:
            yield from held
            held.clear()


def _broken_by_playing(program: Program, limits: Limits) -> Breaks:
    """In a process of its own, as all that may take long; nothing where it comes to nothing."""
    found = (answer for _, answer in worked((program,), breaks, limits))
    return next((answer for answer in found if not isinstance(answer, Failed)), {})


def _unless_broken(verdict: Unknown, found: Replayed | None) -> Unknown | Refuted:
    """Not decided, but for a conversation in which it breaks. INVARIANT: none of `explored` events does."""
    return verdict if found is None else Refuted(found.events, found.outcomes, verdict.explored)


def _checked(subject: Subject, name: str) -> Verdict:
    return checked(subject.machine, subject.program, name, subject.budget, subject.recall)


def _judged(subject: Subject, requirement: Requirement) -> Verdict:
    found = _decided(subject, requirement.name)
    if isinstance(found, Holds):
        proof = Invariant(requirement.name, found.invariant, found.kept, found.without)
        return _mattering(subject, requirement, proof)
    return found


def _decided(subject: Subject, name: str) -> Refuted | Unknown | Holds:
    match subject.pursued(subject.program, name):
        case Missed(events, outcomes):
            return Refuted(events, outcomes, len(events) - 1)
        case Undecided(why, explored):
            return Unknown(why, explored)
        case holds:
            return holds


def _mattering(subject: Subject, requirement: Requirement, proof: Invariant) -> Verdict:
    """A proof is worth something only if what the requirement is about can happen."""
    missing: list[str] = []
    unclear = None
    for way in occasions(subject.program, requirement):
        found: list[tuple[int, tuple[Event, ...]]] = []
        for occasion in way:
            seen = subject.met.occasions.get((requirement.name, occasion.number))
            if seen is not None:
                found.append((occasion.number, seen))
                continue
            match subject.pursued(with_probe(subject.program, occasion.probe), requirement.name):
                case Missed(events):
                    found.append((occasion.number, events))
                case Holds(_, _, ()):
                    missing.append(occasion.said)
                case Holds(_, _, without):
                    broken = " or ".join(f"`{name}`" for name in without)
                    unclear = unclear or f"{occasion.said} cannot happen before {broken} breaks; mend that first"
                case Undecided(why):
                    unclear = unclear or f"whether {occasion.said} can happen: {why}"
        if len(found) == len(way):
            return Proved((proof,), tuple(found))
    if unclear is not None:
        return Unknown(unclear, 0)
    return Vacuous(
        f"{' and '.join(dict.fromkeys(missing))} cannot happen" if missing else "nothing is left to break it"
    )


def _result(name: str, requirement: Requirement | None, verdict: Verdict, seconds: float, searched: int) -> Result:
    if requirement is None:
        return Result(name, STEP_CHECKS[name], None, None, verdict, seconds, searched)
    return Result(name, requirement.text, requirement.cites, requirement.span, verdict, seconds, searched)
