"""A conversation that comes to a goal, or near it, says which columns matter on the way there.

Without one a long way is found back to front, a column at a time: what must have been so before the last event, then
before that. Along a conversation all this is asked of one script: whether some of its events would do.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from charter.dsl.program import EventKind
from charter.verification.encode.smt import Codes
from charter.verification.encode.terms import TRUE, Term
from charter.verification.prove.machine import Goal, Machine
from charter.verification.prove.paths import columns_along
from charter.verification.prove.pictures import Class
from charter.verification.prove.solver import Cases, Sat, Unsat
from charter.verification.prove.unroll import Unrolled


@dataclass(frozen=True, slots=True)
class Guide:
    """The events of a conversation that misses a goal: the one that is pursued, or one that is about the same."""

    goal: Goal
    kinds: tuple[EventKind, ...]


def guided(
    machine: Machine, guide: Guide, kept: Iterable[Term], without: tuple[str, ...], codes: Codes, *, budget: int
) -> frozenset[Term]:
    """Columns through which it is seen that fewer than all of these events, the first and the last among them, do not
    miss the guide's goal, besides those that are kept; as far as that is so."""
    machine = machine.requiring({**machine.goals, guide.goal.name: guide.goal}.values())
    script, links = _script(machine, guide, without, codes)
    found = {column for column in kept if column in links}
    script.hold(*(links[column] for column in found))
    cases = Cases(script.taken(), budget, cores=True)
    while isinstance(seen := cases.ask([], script.labels), Sat):
        some = f"some{len(found)}"
        script.require(some, f"(and {' '.join(label for label in script.labels if seen.values.get(label) is True)})")
        cases.add(script.taken())
        new = frozenset[Term]()
        for rank in sorted({machine.rank(column) for column in links}):
            linked = {name: column for column, name in links.items() if machine.rank(column) <= rank}
            answer = cases.ask([some, *linked], {})
            if isinstance(answer, Unsat):
                new = frozenset(column for name, column in linked.items() if name in answer.core)
                break
        if not new:
            break
        found |= new
        script.hold(*(links[column] for column in new))
        cases.add(script.taken())
    return frozenset(found)


def _script(machine: Machine, guide: Guide, without: tuple[str, ...], codes: Codes) -> tuple[Unrolled, dict[Term, str]]:
    """The events in a row, of which those between the first and the last may be left out, and some are; with
    the names by which columns go on."""
    kinds, last = guide.kinds, len(guide.kinds) - 1
    steps = [Class(machine.goes(kind, without), {}, (kind,)) for kind in kinds[:-1]]
    ends = machine.bad(kinds[last], guide.goal, without)
    places = columns_along(machine, guide.goal, (*steps, Class(ends, {}, (kinds[last],))), without)
    for i in range(last - 1, 0, -1):  # where an event is left out, what matters after it matters before it
        places[i] = tuple(sorted({*places[i], *places[i + 1]}))
    links = {column: f"k{column}" for place in places for column in place}
    script = Unrolled(machine, codes, links, facts=True)
    for i, step in enumerate(steps):
        real = Class(step.goes, {c: machine.after(kinds[i], c) for c in places[i + 1]}, step.kinds)
        if i == 0:
            script.begin(machine.mentioned([real.goes, *real.after.values()]))
        script.step(i, [real, Class(TRUE, {}, ())] if i else [real], places[i + 1])
    script.one_of(f"end{last}", f"b{last}", [script.place(last, [ends])(ends)])
    left_out = [f"s{i}.1" for i in range(1, last)]
    script.require("fewer", f"(or false {' '.join(left_out)})")
    script.hold("fewer", *(f"go{i}" for i in range(last)), f"end{last}")
    return script, links
