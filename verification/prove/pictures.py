"""A goal's machine through some columns of the state: what steps do to them, and what misses the goal.

Kinds of events that look alike through them are one class.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from charter.dsl.program import EventKind
from charter.verification.encode.terms import FALSE, Term
from charter.verification.prove.localise import View
from charter.verification.prove.machine import Goal, Machine


@dataclass(frozen=True, slots=True)
class Class:
    """Kinds of events that look alike. `goes`: the step happens; `after`: the kept columns that change, after it."""

    goes: Term
    after: Mapping[Term, Term]
    kinds: tuple[EventKind, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A goal's machine through its kept columns: what steps do, and what misses the goal (`after` is empty there)."""

    kept: tuple[Term, ...]
    steps: tuple[Class, ...]
    misses: tuple[Class, ...]


def pictured(
    machine: Machine, goal: Goal, kept: Sequence[Term], without: Iterable[str], *, exact: bool = False
) -> Picture:
    """The machine through these columns; `exact`: with all else as it is, though of any value before each step."""
    kept, without = tuple(kept), tuple(without)
    steps: dict[tuple[tuple[Term, ...], View], list[EventKind]] = {}
    misses: dict[Term, list[EventKind]] = {}
    for kind in machine.kinds:
        after = {column: machine.after(kind, column) for column in kept}
        changed = tuple(column for column in kept if after[column] != column)
        if changed:
            roots = (machine.goes(kind, without), *(after[column] for column in changed))
            view = _seen(machine, kind, roots, kept, exact=exact)
            if view[0] != FALSE and view[1:] != changed:
                steps.setdefault((changed, view), []).append(kind)
        bad = machine.bad(kind, goal, without)
        if bad != FALSE:
            view = _seen(machine, kind, (bad,), kept, exact=exact)
            if view[0] != FALSE:
                misses.setdefault(view[0], []).append(kind)
    # Paths tend to take the last that will do, and one of few kinds is followed sooner.
    fewest_last = sorted(steps.items(), key=lambda each: -len(each[1]))
    return Picture(
        kept,
        tuple(
            Class(goes, dict(zip(changed, after, strict=True)), tuple(kinds))
            for (changed, (goes, *after)), kinds in fewest_last
        ),
        tuple(Class(bad, {}, tuple(kinds)) for bad, kinds in misses.items()),
    )


def _seen(machine: Machine, kind: EventKind, roots: View, kept: tuple[Term, ...], *, exact: bool) -> View:
    """The roots through what is kept. Where an event of the kind comes, what follows for all that they leave out is
    said, too."""
    graph = machine.graph
    mentioned = graph.inputs_of(roots)
    goes, *after = machine.views.shared(roots, mentioned & graph.inputs_of(kept), machine.like, exact=exact)
    values = machine.coming(kind).values
    far = (column for column in kept if column in values and not graph.inputs[column] & mentioned)
    said = (column if values[column] else graph.not_(column) for column in far)
    return graph.and_(goes, *said), *after
