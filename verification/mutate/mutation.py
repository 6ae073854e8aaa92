"""How good the requirements of a policy are: what becomes of each of its mutants.

A mutant is *killed* where the passes refuse it or the prover refutes what it proved of the policy, *equivalent* where
it is proved to act as the policy does, and *surviving* otherwise: what it leaves out, nobody requires, though a `test`
of the policy may notice it. One that fuzzing breaks must be refuted; where it is not, the prover is wrong, and the
mutant is *missed*.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from charter.dsl.load import Loaded
from charter.dsl.program import STEP_CHECKS, Program
from charter.dsl.rehearse import rehearse
from charter.verification.compare.equivalence import Unshown, equivalence_within
from charter.verification.compare.product import search
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.smt import codes_of
from charter.verification.fuzz.pieces import PIECE, fuzz
from charter.verification.fuzz.play import Fault, semantics_alone
from charter.verification.fuzz.search import Budget
from charter.verification.mutate.mutants import Mutant, Refused, compiled, mutants
from charter.verification.prove.cache import Cache
from charter.verification.prove.checks import checked
from charter.verification.prove.facts import Facts
from charter.verification.prove.machine import Machine, goals_of
from charter.verification.prove.prove import Settings, prove, proved
from charter.verification.prove.pursue import Missed, pursue
from charter.verification.prove.recall import Recall
from charter.verification.prove.standing import Standing, standing_of
from charter.verification.prove.started import needing_start
from charter.verification.prove.verdicts import Refuted, Result, Unknown, Vacuous
from charter.verification.workers import Failed, worked, worked_in_order

ENOUGH = 3  # undecided proofs of a mutant, after which no more are tried: each may take as long as it is given


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    EQUIVALENT = "equivalent"
    SURVIVING = "surviving"
    UNKNOWN = "unknown"  # nothing is refuted, and not all is proved
    MISSED = "missed"  # fuzzing breaks it, and the prover does not


@dataclass(frozen=True, slots=True)
class Judged:
    """A mutant with its fate, and by what."""

    mutant: Mutant
    fate: Fate
    by: str


class MutantFailed(Exception):
    """The process of a mutant came to nothing, so what becomes of it cannot be said."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried for each mutant: steps of fuzzing, and the prover's settings. `only_fuzzed`: a mutant that
    fuzzing does not break is left undecided."""

    steps: int = PIECE
    proving: Settings = field(default_factory=Settings)
    only_fuzzed: bool = False


def sampled(loaded: Loaded, sample: int | None, seed: int) -> tuple[Mutant, ...]:
    """All mutants of a policy, or so many of them, the same ones for the same seed."""
    every = tuple(mutants(loaded))
    if sample is None or sample >= len(every):
        return every
    chosen = sorted(Random(seed).sample(range(len(every)), sample))
    return tuple(every[i] for i in chosen)


def judged(loaded: Loaded, chosen: Sequence[Mutant], effort: Effort) -> Iterator[Judged]:
    """The fate of each of these mutants, as many at a time as proofs may be; raises `MutantFailed`. What is proved of
    the policy itself is a hint for each of them."""
    with TemporaryDirectory() as folder:
        cache = Cache(Path(folder), lambda _: None)
        proving = replace(effort.proving, cache=cache)
        standing = None if effort.only_fuzzed else standing_of(loaded.program, proving)
        of_mutants, of_proofs = proving.limits.nested()
        each = replace(effort, proving=replace(proving, cache=replace(cache, frozen=True), limits=of_proofs))

        def work(mutant: Mutant) -> tuple[Fate, str]:
            return _fate(loaded, mutant, standing, each)

        for mutant, found in zip(chosen, worked_in_order(chosen, work, of_mutants), strict=True):
            if isinstance(found, Failed):
                raise MutantFailed(f"{mutant}: {found.why}")
            yield Judged(mutant, *found)


def summary(found: Sequence[Judged]) -> str:
    """How many had each fate."""
    counts = Counter(each.fate for each in found)
    return f"{len(found)} mutants: " + ", ".join(f"{counts[fate]} {fate}" for fate in Fate if counts[fate])


def _fate(loaded: Loaded, mutant: Mutant, standing: Standing | None, effort: Effort) -> tuple[Fate, str]:
    program = compiled(mutant, loaded.sources)
    if isinstance(program, Refused):
        return Fate.KILLED, f"check: {program.diagnostics[0].message}"
    names = {goal.name for goal in goals_of(loaded.program)} if standing is None else set(standing.proved)
    broken = _fuzzed(program, effort.steps) & names  # only what is proved of the policy can be refuted of a mutant
    if broken:
        refuted = _refuted(program, broken, effort.proving)
        if refuted is None:
            return Fate.MISSED, f"fuzzing breaks {', '.join(sorted(broken))}"
        return Fate.KILLED, f"verify: {refuted}"
    if standing is None:
        return Fate.UNKNOWN, "fuzzing does not break it"
    noticed = _noticed(loaded, program)
    if noticed is None and _act_alike(loaded.program, program, effort):
        return Fate.EQUIVALENT, "proved to act alike"
    tested = "no test fails" if noticed is None else f'the test "{noticed}" fails'
    undecided: list[str] = []
    for result in _in_doubt(program, standing, effort.proving):
        if _is_worse(result, names):
            return Fate.KILLED, f"verify: {result.name}"
        if result.name in names and isinstance(result.verdict, Unknown):
            undecided.append(result.name)
        if len(undecided) == ENOUGH:
            break
    if undecided:
        return Fate.UNKNOWN, f"not decided: {', '.join(undecided)}; {tested}"
    return Fate.SURVIVING, f"everything is proved; {tested}"


def _in_doubt(program: Program, standing: Standing, settings: Settings) -> Iterator[Result]:
    """The verdicts on all of which it is not seen at once that what is proved of the policy stands."""
    lost = standing.lost(program, settings)
    if lost is None or not lost.isdisjoint(STEP_CHECKS):
        yield from prove(program, settings, first=lost or ())
    elif lost:
        yield from proved(standing.edited(program, lost, settings), settings.limits, sorted(lost))


def _noticed(loaded: Loaded, program: Program) -> str | None:
    """The test of the policy that fails of a mutant of it, and not of the policy."""
    for test in loaded.scenarios:
        if rehearse(program, test).failures and not rehearse(loaded.program, test).failures:
            return test.title
    return None


def _act_alike(program: Program, mutant: Program, effort: Effort) -> bool:
    """Whether a mutant is proved to act as the policy does."""
    if search(program, mutant, steps=effort.steps, seed=0, most=1).found:
        return False
    return not isinstance(equivalence_within(effort.proving.limits, program, mutant), Unshown)


def _fuzzed(program: Program, steps: int) -> set[str]:
    """What fuzzing finds broken."""
    result = fuzz(program, semantics_alone, Budget(steps, findings=1), seed=0, shrink=False)
    return {s.finding.name for s in result.found if s.finding.fault in (Fault.BROKEN, Fault.STOPPED)}


def _refuted(program: Program, broken: set[str], settings: Settings) -> str | None:
    """One of what is broken that the prover refutes; None where it refutes none."""
    at_once = _refuted_at_once(program, broken, settings)
    if at_once is not None:
        return at_once
    results = prove(program, settings, first=broken)
    return next((r.name for r in results if r.name in broken and isinstance(r.verdict, Refuted)), None)


def _refuted_at_once(program: Program, broken: set[str], settings: Settings) -> str | None:
    """The same without looking at anything else, nor for what is known of the policy."""
    encoder = Encoder(program)
    machine = Machine(encoder, goals_of(program), Facts(needing_start(encoder)))

    def work(name: str) -> bool:
        if name in STEP_CHECKS:
            return isinstance(checked(machine, program, name, settings.budget, Recall(None)), Refuted)
        return isinstance(pursue(machine, program, machine.goals[name], codes_of(program), settings.budget), Missed)

    return next((name for name, found in worked(sorted(broken), work, settings.limits) if found is True), None)


def _is_worse(result: Result, names: set[str]) -> bool:
    return result.name in names and isinstance(result.verdict, Refuted | Vacuous)
