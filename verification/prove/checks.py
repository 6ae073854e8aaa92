"""What holds for every policy, case by case: writes that differ, a fact out of range, acts that exclude each other.

Each case needs its own few columns, so each is a goal of its own; most are seen to be impossible in any state at all.
"""

from collections.abc import Iterator

from charter.dsl.program import EventKind, Program
from charter.verification.encode.smt import Codes, codes_of
from charter.verification.encode.terms import FALSE, Term
from charter.verification.prove.machine import Goal, Machine
from charter.verification.prove.pursue import Budget, Holds, Missed, Undecided
from charter.verification.prove.recall import Recall
from charter.verification.prove.solver import Cases, Unsat
from charter.verification.prove.unroll import Unrolled
from charter.verification.prove.verdicts import Invariant, Proved, Refuted, Unknown, Verdict


def checked(machine: Machine, program: Program, name: str, budget: Budget, recall: Recall) -> Verdict:
    """The verdict on a check of every policy: the shortest conversation found of any case, or an invariant for each."""
    codes = codes_of(program)
    proofs: list[Invariant] = []
    missed: Missed | None = None
    unclear: Undecided | None = None
    for goal in cases(machine, name, codes, budget):
        found = recall.pursue(machine, program, goal, codes, budget)
        match found:
            case Holds(invariant, kept, without):
                case = " ".join(str(part) for part in goal.case or ())
                proofs.append(Invariant(f"{name} {case}", invariant, kept, without))
            case Missed(events):
                missed = found if missed is None or len(events) < len(missed.events) else missed
            case Undecided(_, explored):
                unclear = found if unclear is None or explored < unclear.explored else unclear
    if missed is not None:
        shorter = len(missed.events) - 1
        explored = shorter if unclear is None else min(shorter, unclear.explored)
        return Refuted(missed.events, missed.outcomes, explored)
    if unclear is not None:
        return Unknown(unclear.why, unclear.explored)
    return Proved(tuple(proofs))


def cases(machine: Machine, name: str, codes: Codes, budget: Budget) -> Iterator[Goal]:
    """The cases of a check that some state leads to in which the facts hold, reachable or not."""
    for kind in machine.kinds:
        if not _possible(machine, machine.bad(kind, Goal(name), ()), codes, budget):
            continue
        for i in range(len(machine.encoder.step(kind).broken[name])):
            goal = Goal(name, case=(EventKind(kind), i))
            if _possible(machine, machine.bad(kind, goal, ()), codes, budget):
                yield goal


def _possible(machine: Machine, bad: Term, codes: Codes, budget: Budget) -> bool:
    """Whether a step from any such state misses the goal, as far as the solver can tell."""
    if bad == FALSE:
        return False
    script = Unrolled(machine, codes, {}, facts=True)
    script.require("bad", script.place(0, [bad])(bad))
    return not isinstance(Cases(script.taken(), budget.path).ask(["bad"], {}), Unsat)
