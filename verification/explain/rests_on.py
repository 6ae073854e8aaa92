"""What a proof rests on: the fewest labels, as unsat cores find them, under which its invariants still are.

An invariant is shown once more on the exact steps of the loosened program. The facts of the books that this leans on
are shown in the same way, until nothing is left that is not shown. Each of this is work by itself, and spread.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import TypeAlias, TypeVar

from charter.dsl.program import STEP_CHECKS, EventKind
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.smt import codes_of, sort_of
from charter.verification.encode.symbols import scalar
from charter.verification.encode.terms import FALSE, TRUE, Term
from charter.verification.explain.guard_parts import Loosened, Part, chance, label
from charter.verification.prove.facts import Clause, Facts, clause_term
from charter.verification.prove.machine import Machine, goals_of
from charter.verification.prove.solver import Cases, Unsat, condition
from charter.verification.prove.started import needing_start
from charter.verification.prove.unroll import Unrolled, at
from charter.verification.prove.verdicts import Invariant
from charter.verification.workers import Failed, Limits, worked

NamedClause = tuple[tuple[str, bool], ...]
SHARES = 16
"""Pieces in which work is spread: what core the solver finds may depend on what it was asked before."""

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Unshown:
    """What a proof rests on cannot be told."""

    why: str


@dataclass(frozen=True, slots=True)
class _Core:
    """Numbers of parts and of facts that suffice."""

    parts: frozenset[int] = frozenset()
    facts: frozenset[int] = frozenset()


_Shows: TypeAlias = Callable[[int | None], _Core | Unshown]
"""Shows a step once more, as it is or without one part."""


class Grounds:
    """The steps of a loosened program, and the facts of its books, each with what it rests on once that was asked."""

    def __init__(self, loosened: Loosened, facts: Sequence[NamedClause], budget: int, limits: Limits) -> None:
        encoder = Encoder(loosened.program)
        for kind in loosened.program.events:
            encoder.step(kind)
        self._parts = loosened.parts
        self._machine = Machine(encoder, goals_of(loosened.program), Facts(needing_start(encoder)))
        self._facts: list[Clause] = [tuple((self._machine.named[n], value) for n, value in fact) for fact in facts]
        self._codes = codes_of(loosened.program)
        self._budget = budget
        self._limits = replace(limits, seconds=inf)
        self._known: dict[int, _Core | Unshown] = {}
        self._shown: list[tuple[_Shows, frozenset[int]]] = []

    def of(self, proofs: Mapping[str, Sequence[Invariant]]) -> dict[str, frozenset[Part] | Unshown]:
        """The parts that each proof of a goal rests on."""
        found = dict(zip(proofs, self._all([partial(self._goal, *proof) for proof in proofs.items()]), strict=True))
        left = sorted(_facts(found.values()))
        while left:
            cores = self._all([partial(self._fact, number) for number in left])
            self._known |= zip(left, cores, strict=True)
            left = sorted(_facts(cores) - self._known.keys())
        return {name: self._parts_of(core) for name, core in found.items()}

    def spare(self) -> tuple[Part, ...]:
        """The parts that may be left out, each by itself, and all that was asked about can still be shown."""
        spread = self._spread(range(len(self._parts)), self._can_do_without)
        return tuple(part for part, can in zip(self._parts, spread, strict=True) if can is True)

    def _can_do_without(self, number: int) -> bool:
        return all(isinstance(shows(number), _Core) for shows, parts in self._shown if number in parts)

    def _parts_of(self, core: _Core | Unshown) -> frozenset[Part] | Unshown:
        done: set[int] = set()
        while isinstance(core, _Core) and (left := core.facts - done):
            done |= left
            core = _joined([core, *(self._known[number] for number in left)])
        return core if isinstance(core, Unshown) else frozenset(self._parts[number] for number in core.parts)

    def _all(self, cores: Sequence[Callable[[EventKind, int | None], _Core | Unshown]]) -> list[_Core | Unshown]:
        """What each comes to over all kinds of events."""
        every: list[_Core | Unshown] = []
        on_kinds = [[partial(core, kind) for kind in self._machine.kinds] for core in cores]
        for shows, found in zip(on_kinds, self._spread(on_kinds, lambda shows: [s(None) for s in shows]), strict=True):
            each = [Unshown(found.why)] if isinstance(found, Failed) else found
            every.append(_joined(each))
            if isinstance(every[-1], _Core):
                known = ((s, core.parts) for s, core in zip(shows, each, strict=True) if isinstance(core, _Core))
                self._shown += ((s, parts) for s, parts in known if parts)
        return every

    def _spread(self, tasks: Sequence[_T], work: Callable[[_T], _R]) -> list[_R | Failed]:
        """What `work` makes of each task, in a few processes, as many whatever the limits are."""
        answers: list[_R | Failed] = [Failed("")] * len(tasks)
        shares = [range(len(tasks))[i::SHARES] for i in range(min(SHARES, len(tasks)))]
        for share, done in worked(shares, lambda share: [work(tasks[i]) for i in share], self._limits):
            for place, i in enumerate(share):
                answers[i] = done if isinstance(done, Failed) else done[place]
        return answers

    def _goal(
        self, name: str, invariants: Sequence[Invariant], kind: EventKind, without: int | None
    ) -> _Core | Unshown:
        """That a step from where the invariants hold does not miss the goal, and leads to where they hold."""
        machine, graph = self._machine, self._machine.graph
        goals, beside = machine.goals, sorted({each for i in invariants for each in i.beside})
        stays = [graph.not_(machine.misses(kind, goals[each])) for each in beside]
        first = [] if name in STEP_CHECKS else [s for each, s in zip(beside, stays, strict=True) if each in STEP_CHECKS]
        bad = graph.and_(machine.misses(kind, goals[name]), *first)
        over = {i: [self._machine.named[column] for column in i.columns] for i in invariants}
        after = {column: machine.after(kind, column) for columns in over.values() for column in columns}
        if bad == FALSE and all(column == then for column, then in after.items()):
            return _Core()
        comes, goes = machine.comes(kind), graph.and_(*stays)
        script = Unrolled(machine, self._codes, {})
        term = script.place(0, [comes, goes, bad, *after, *after.values()])
        head, here, there = [], [], []
        for number, (invariant, columns) in enumerate(over.items()):
            sorts = {f"k{i}": sort_of(graph.sort[column]) for i, column in enumerate(columns)}
            said = condition(invariant.text, sorts)
            if said is None:
                return _unshown(kind)
            head.append(f"(define-fun inv{number} ({' '.join(f'({n} {s})' for n, s in sorts.items())}) Bool {said})")
            here.append(f"(inv{number} {' '.join(term(c) for c in columns)})" if columns else f"inv{number}")
            there.append(f"(inv{number} {' '.join(term(after[c]) for c in columns)})" if columns else f"inv{number}")
        fails = f"(or {term(bad)} (and {term(goes)} (not (and true {' '.join(there)}))))"
        script.require("wrong", f"(and {term(comes)} {' '.join(here)} {fails})")
        return self._core(kind, without, "\n".join(head), script, [comes, goes, bad, *after, *after.values()])

    def _fact(self, number: int, kind: EventKind, without: int | None) -> _Core | Unshown:
        """That a step from where the facts hold leads to where this one does."""
        machine, graph = self._machine, self._machine.graph
        here = clause_term(graph, self._facts[number])
        after = {column: machine.after(kind, column) for column, _ in self._facts[number]}
        there = clause_term(graph, tuple((after[column], value) for column, value in self._facts[number]))
        if there in (here, TRUE):
            return _Core()
        roots = [machine.comes(kind), here, there]
        script = Unrolled(machine, self._codes, {})
        term = script.place(0, roots)
        script.require("wrong", f"(and {term(roots[0])} {term(here)} (not {term(there)}))")
        return self._core(kind, without, "", script, roots)

    def _core(
        self, kind: EventKind, without: int | None, head: str, script: Unrolled, roots: Sequence[Term]
    ) -> _Core | Unshown:
        """What suffices for nothing to go wrong; the facts close by are tried before all of them."""
        machine, graph = self._machine, self._machine.graph
        near = set(machine.mentioned(roots))
        close = [n for n, fact in enumerate(self._facts) if all(column in near for column, _ in fact)]
        fields = machine.encoder.step(kind).fields
        names = {n: at(graph, scalar(fields[label(n)]), 0) for n in range(len(self._parts)) if label(n) in fields}
        labels = {name: n for n, name in names.items() if name in script.declared and n != without}
        gone = [] if without is None else [at(graph, scalar(fields[chance(without)]), 0)]
        cases = Cases(f"{head}\n{script.taken()}", self._budget, cores=without is None)
        known: list[int] = []
        for facts in (close, [n for n in range(len(self._facts)) if n not in close]):
            terms = {n: clause_term(graph, self._facts[n]) for n in facts}
            term = script.place(0, list(terms.values()))
            for n, of in terms.items():
                script.require(f"fact{n}", term(of))
            known += facts
            cases.add(script.taken())
            answer = cases.ask(["wrong", *labels, *gone, *(f"fact{n}" for n in known)], {})
            if isinstance(answer, Unsat):
                core = answer.core
                leaning = frozenset(n for n in known if f"fact{n}" in core)
                return _Core(frozenset(n for name, n in labels.items() if name in core), leaning)
        return _unshown(kind)


def _unshown(kind: EventKind) -> Unshown:
    return Unshown(f"its step on `{kind}` could not be shown once more")


def _facts(cores: Iterable[_Core | Unshown]) -> set[int]:
    return {number for core in cores if isinstance(core, _Core) for number in core.facts}


def _joined(cores: Iterable[_Core | Unshown]) -> _Core | Unshown:
    parts: frozenset[int] = frozenset()
    facts: frozenset[int] = frozenset()
    for core in cores:
        if isinstance(core, Unshown):
            return core
        parts, facts = parts | core.parts, facts | core.facts
    return _Core(parts, facts)
