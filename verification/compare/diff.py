"""Two versions of a policy compared: where they act apart, or a proof that they never do; and what they require."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from charter.dsl.program import Program
from charter.verification.compare.equivalence import Equivalence, Identical, Unshown, equivalence_within, normal
from charter.verification.compare.product import Searched, replayed, search
from charter.verification.compare.requirements import Change, Compared, compared
from charter.verification.prove.prove import Settings, prove
from charter.verification.prove.verdicts import Proved, Vacuous

EQUIVALENT, DIFFERENT, UNDECIDED = 0, 1, 3  # exit codes; 2 is a policy that does not load


@dataclass(frozen=True, slots=True)
class Diff:
    """What sets two versions apart. INVARIANT: they are called equivalent only by a proof."""

    searched: Searched
    equivalence: Equivalence
    requirements: tuple[Compared, ...]

    @property
    def code(self) -> int:
        """The exit code. Requirements that were gained or strengthened are no difference by themselves."""
        less = (Change.LOST, Change.WEAKER, Change.CHANGED)
        if self.searched.found or any(c.change in less for c in self.requirements):
            return DIFFERENT
        return UNDECIDED if isinstance(self.equivalence, Unshown) else EQUIVALENT


def diff(old: Program, new: Program, settings: Settings, *, steps: int, seed: int) -> Diff:
    """Compares two versions."""
    requirements = compared(old, new)
    if normal(old) == normal(new):
        return Diff(Searched((), 0, 0), Identical(), requirements)
    searched = search(old, new, steps=steps, seed=seed)
    if searched.found:
        return Diff(searched, Unshown("they act differently"), requirements)
    unlike = [c.name for c in requirements]
    broken = [name for program in (old, new) for name in _unproved(program, unlike, settings)]
    if broken:
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(broken))
        return Diff(searched, Unshown(f"not in both, and not proved: {names}"), requirements)
    shown = equivalence_within(settings.limits, old, new, beside=unlike)
    apart = replayed(old, new, shown.events) if isinstance(shown, Unshown) else None
    return Diff(searched if apart is None else replace(searched, found=(apart,)), shown, requirements)


def _unproved(program: Program, names: Iterable[str], settings: Settings) -> list[str]:
    """Those of the requirements that a version has and that are not proved in it; none, where there are none."""
    asked = tuple(requirement for requirement in program.requirements if requirement.name in set(names))
    if not asked:
        return []
    results = prove(replace(program, requirements=asked), settings)
    return [result.name for result in results if not isinstance(result.verdict, Proved | Vacuous)]
