"""What a proof rests on: the fewest labels, as unsat cores find them, under which its invariants still are.

An invariant is shown once more on the exact steps of the loosened program. The facts of the books that this leans on
are shown in the same way, until nothing is left that is not shown.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

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

NamedClause = tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Unshown:
    """What a proof rests on cannot be told: this step of it could not be shown once more."""

    kind: EventKind


@dataclass(frozen=True, slots=True)
class _Core:
    """Numbers of parts and of facts that suffice."""

    parts: frozenset[int] = frozenset()
    facts: frozenset[int] = frozenset()


class Grounds:
    """The steps of a loosened program, and the facts of its books, each with what it rests on once that was asked."""

    def __init__(self, loosened: Loosened, facts: Sequence[NamedClause], budget: int) -> None:
        encoder = Encoder(loosened.program)
        self._parts = loosened.parts
        self._machine = Machine(encoder, goals_of(loosened.program), Facts(needing_start(encoder)))
        self._facts: list[Clause] = [tuple((self._machine.named[n], value) for n, value in fact) for fact in facts]
        self._codes = codes_of(loosened.program)
        self._budget = budget
        self._known: dict[int, _Core | Unshown] = {}
        self._shown: list[tuple[Callable[[int | None], _Core | Unshown], frozenset[int]]] = []

    def of(self, name: str, invariants: Sequence[Invariant]) -> frozenset[Part] | Unshown:
        """The parts that the proof of a goal rests on."""
        found = self._all(partial(self._goal, name, invariants))
        done: set[int] = set()
        while isinstance(found, _Core) and (left := found.facts - done):
            number = min(left)
            done.add(number)
            if number not in self._known:
                self._known[number] = self._all(partial(self._fact, number))
            found = _joined([found, self._known[number]])
        return found if isinstance(found, Unshown) else frozenset(self._parts[number] for number in found.parts)

    def spare(self) -> tuple[Part, ...]:
        """The parts that may be left out, each by itself, and all that was asked about can still be shown."""
        return tuple(part for number, part in enumerate(self._parts) if self._can_do_without(number))

    def _can_do_without(self, number: int) -> bool:
        return all(isinstance(again(number), _Core) for again, parts in self._shown if number in parts)

    def _all(self, core: Callable[[EventKind, int | None], _Core | Unshown]) -> _Core | Unshown:
        found = []
        for kind in self._machine.kinds:
            again = partial(core, kind)
            found.append(each := again(None))
            if isinstance(each, _Core) and each.parts:
                self._shown.append((again, each.parts))
        return _joined(found)

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
                return Unshown(kind)
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
        return Unshown(kind)


def _joined(cores: Iterable[_Core | Unshown]) -> _Core | Unshown:
    parts: frozenset[int] = frozenset()
    facts: frozenset[int] = frozenset()
    for core in cores:
        if isinstance(core, Unshown):
            return core
        parts, facts = parts | core.parts, facts | core.facts
    return _Core(parts, facts)
