"""Paths of a picture, shortest first, and real ways along them.

A path of a picture is a row of classes, the last of which misses the goal. Along it the exact steps are asked whether
they can follow, with one assumption for each column that the picture does not keep: that it goes on from step to step.
Where they cannot, the assumptions that were needed say what to keep.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from charter.dsl.program import EventKind
from charter.verification.encode.smt import Codes
from charter.verification.encode.terms import Scalar, Term
from charter.verification.prove.machine import Goal, Machine
from charter.verification.prove.pictures import Class, Picture
from charter.verification.prove.solver import Answer, Cases, Sat, Unclear
from charter.verification.prove.unroll import Unrolled

START, PACE = 1_767_225_600_000, 1000  # events come a second apart, from 2026-01-01T00:00:00Z

Path = tuple[Class, ...]


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No path of at most so many events misses the goal."""

    length: int


@dataclass(frozen=True, slots=True)
class Walk:
    """A real way: the kind of each event, and the values of names at each place, as `unroll` calls them."""

    kinds: tuple[EventKind, ...]
    values: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Blocked:
    """No real way follows the path; these columns suffice to see it."""

    columns: frozenset[Term]


def shortest(
    machine: Machine, picture: Picture, codes: Codes, *, least: int, most: int, budget: int
) -> Path | Exhausted | Unclear:
    """The shortest path of `least` to `most` events."""
    script = Unrolled(machine, codes, {})
    script.begin(picture.kept)
    cases = Cases("", budget)
    for i in range(most):
        name = script.place(i, [machine.always(picture.kept), *(c.goes for c in picture.misses)])
        script.one_of(f"end{i}", f"b{i}", [name(c.goes) for c in picture.misses])
        cases.add(script.taken())
        if i + 1 >= least:
            answer = cases.ask([*(f"go{j}" for j in range(i)), f"end{i}"], script.labels)
            if isinstance(answer, Sat):
                return (
                    *(_chosen(picture.steps, f"s{j}", answer) for j in range(i)),
                    _chosen(picture.misses, f"b{i}", answer),
                )
            if isinstance(answer, Unclear):
                return answer
        script.step(i, picture.steps, picture.kept)
    return Exhausted(most)


def followed(
    machine: Machine, goal: Goal, path: Path, kept: Sequence[Term], without: Iterable[str], codes: Codes, *, budget: int
) -> Walk | Blocked | Unclear:
    """A real way along a path of the picture that keeps these columns, or what keeps there from being one."""
    found = _followed(machine, goal, path, kept, tuple(without), codes, budget, facts=True)
    if isinstance(found, Blocked) and not found.columns:  # facts that the picture does not see stand against it
        return _followed(machine, goal, path, kept, tuple(without), codes, budget, facts=False)
    return found


def _followed(
    machine: Machine,
    goal: Goal,
    path: Path,
    kept: Sequence[Term],
    without: tuple[str, ...],
    codes: Codes,
    budget: int,
    *,
    facts: bool,
) -> Walk | Blocked | Unclear:
    last = len(path) - 1
    mattering = columns_along(machine, goal, path, without)
    links = {c: f"k{c}" for columns in mattering for c in columns if c not in kept}
    script = Unrolled(machine, codes, links, facts=facts)
    script.begin(mattering[0])
    for i, class_ in enumerate(path[:-1]):
        after = mattering[i + 1]
        exact = [Class(machine.goes(k, without), {c: machine.after(k, c) for c in after}, (k,)) for k in class_.kinds]
        script.step(i, exact, after)
    bad = [machine.bad(kind, goal, without) for kind in path[last].kinds]
    name = script.place(last, bad)
    script.one_of(f"end{last}", f"b{last}", [name(b) for b in bad])
    for i, class_ in enumerate(path):
        for kind in class_.kinds:
            now = machine.encoder.step(kind).now
            script.require(f"paced{i}", f"(= {script.place(i, [now])(now)} {START + PACE * i})")
    cases = Cases(script.taken(), budget, cores=True)
    going = [*(f"go{i}" for i in range(last)), f"end{last}"]
    answer = _asked(machine, cases, going, links)
    if not isinstance(answer, Sat):
        return (
            answer
            if isinstance(answer, Unclear)
            else Blocked(frozenset(c for c, n in links.items() if n in answer.core))
        )
    real, paced = [*going, *links.values()], [f"paced{i}" for i in range(len(path))]
    usual = cases.ask([*real, *paced], script.declared)  # times that are easy to read, where they will do
    found = usual if isinstance(usual, Sat) else cases.ask(real, script.declared)
    if not isinstance(found, Sat):
        return found if isinstance(found, Unclear) else Unclear("the solver contradicts itself")
    labels = [*(f"s{i}" for i in range(last)), f"b{last}"]
    chosen = [_number(label, len(c.kinds), found.values) for label, c in zip(labels, path, strict=True)]
    return Walk(tuple(c.kinds[n] for c, n in zip(path, chosen, strict=True)), found.values)


def _asked(machine: Machine, cases: Cases, going: Sequence[str], links: Mapping[Term, str]) -> Answer:
    """Whether the path can be followed; if not, what is closest to the point says why."""
    answer: Answer = cases.ask(going, {})
    for rank in sorted({machine.rank(column) for column in links}):
        if not isinstance(answer, Sat):
            break
        answer = cases.ask([*going, *(n for c, n in links.items() if machine.rank(c) <= rank)], {})
    return answer


def columns_along(machine: Machine, goal: Goal, path: Path, without: tuple[str, ...]) -> list[tuple[Term, ...]]:
    """The columns that matter at each place of a path."""
    last = len(path) - 1
    found: list[tuple[Term, ...]] = [()] * len(path)
    found[last] = machine.mentioned(machine.bad(kind, goal, without) for kind in path[last].kinds)
    for i in range(last - 1, -1, -1):
        kinds = path[i].kinds
        goes = [machine.goes(kind, without) for kind in kinds]
        found[i] = machine.mentioned([*goes, *(machine.after(k, c) for k in kinds for c in found[i + 1])])
    return found


def _chosen(classes: Sequence[Class], label: str, answer: Sat) -> Class:
    return classes[_number(label, len(classes), answer.values)]


def _number(label: str, count: int, values: Mapping[str, Scalar]) -> int:
    return next(n for n in range(count) if values.get(f"{label}.{n}") is True)
