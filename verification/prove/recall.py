"""A goal pursued with what was found of it before: checked again where that suffices, else pursued from the start."""

from dataclasses import dataclass

from charter.dsl.program import Program
from charter.verification.encode.smt import Codes
from charter.verification.prove.cache import Cache
from charter.verification.prove.guide import Guide
from charter.verification.prove.hints import confirmed, hint_of
from charter.verification.prove.machine import Goal, Machine
from charter.verification.prove.pursue import Budget, Pursued, pursue


@dataclass(slots=True)
class Recall:
    """How goals are pursued, and how many had to be from the start."""

    cache: Cache | None
    searched: int = 0

    def pursue(
        self,
        machine: Machine,
        program: Program,
        goal: Goal,
        codes: Codes,
        budget: Budget,
        guide: Guide | None = None,
        *,
        shortest: bool = True,
    ) -> Pursued:
        """As `pursue` says. Without `shortest` any conversation that misses the goal may come back."""
        hint = None if self.cache is None else self.cache.hint(program, goal)
        if hint is not None:
            found = confirmed(machine, program, goal, codes, budget.path, hint, shortest=shortest)
            if found is not None:
                return found
        self.searched += 1
        found = pursue(machine, program, goal, codes, budget, guide)
        keep = hint_of(found)
        if self.cache is not None and keep is not None:
            self.cache.keep(program, goal, keep)
        return found
