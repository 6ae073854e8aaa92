"""Fuzzing: conversations with a hostile outside against every executor of a policy at once, until something shows.

A budget is searched in pieces, each with a seed of its own, whose results are put together in their order. So it does
not matter how many of them are worked on at a time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from charter.dsl.program import Event, Program
from charter.dsl.session import Step
from charter.verification.fuzz.judge import Judge, no_judge
from charter.verification.fuzz.play import Decide, Executors, Fault, Finding, Move, played
from charter.verification.fuzz.reach import Reached
from charter.verification.fuzz.search import Budget, Searched, search
from charter.verification.fuzz.shrink import shrunk
from charter.verification.workers import Failed, Limits, worked_in_order

PIECE = 15_000  # steps, at least: a search builds on what it has seen
PIECES = 64  # at most


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding with the smallest conversation found that shows it. `replays`: it does so from the beginning."""

    finding: Finding
    events: tuple[Event, ...]
    steps: tuple[Step, ...]
    replays: bool


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What came of it."""

    seed: int
    steps: int
    conversations: int
    found: tuple[Shown, ...]
    reached: Reached


class PieceFailed(Exception):
    """The process of a piece came to nothing."""


def fuzz(
    program: Program,
    executors: Executors,
    budget: Budget,
    *,
    seed: int,
    judge: Judge = no_judge,
    shrink: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Fuzzed:
    """Fuzzes in one piece, in this process."""
    decide = executors(program)
    searched = search(program, decide, budget, seed=seed, judge=judge, clock=clock)
    return _fuzzed(program, decide, judge, searched, seed, shrink=shrink)


def fuzz_in_pieces(
    program: Program, executors: Executors, budget: Budget, *, seed: int, jobs: int, judge: Judge = no_judge
) -> Fuzzed:
    """Fuzzes in pieces, so many at a time, each in a process of its own; raises `PieceFailed`.

    INVARIANT: where only steps are counted, the result is the same for any number of jobs.
    """
    decide, began = executors(program), time.monotonic()
    pieces = _pieces(budget, jobs)

    def work(i: int) -> Searched:
        return search(program, decide, pieces[i], seed=_seed(seed, i), judge=judge, began=began)

    together = Searched(0, 0, (), Reached(), {})
    for searched in worked_in_order(range(len(pieces)), work, Limits(jobs, seconds=float("inf"))):
        if isinstance(searched, Failed):
            raise PieceFailed(searched.why)
        together = _joined(together, searched, budget.findings)
        if len(together.found) == budget.findings:
            break
    return _fuzzed(program, decide, judge, together, seed, shrink=True)


# --- pieces ----------------------------------------------------------------------------------------------------------


def _pieces(budget: Budget, jobs: int) -> list[Budget]:
    """The pieces of a budget: where only seconds are counted, one for each job."""
    if budget.steps is None:
        return [budget] * jobs
    many = max(1, min(PIECES, budget.steps // PIECE))
    each, more = divmod(budget.steps, many)
    return [replace(budget, steps=each + (i < more)) for i in range(many)]


def _seed(seed: int, piece: int) -> int:
    return seed if piece == 0 else Random(f"{seed} {piece}").getrandbits(64)


def _joined(one: Searched, other: Searched, most: int) -> Searched:
    """Two results as one, with so many findings; of two that are the same, the first."""
    unlike = {finding.key: (finding, events) for finding, events in (*other.found, *one.found)}
    order = dict.fromkeys(finding.key for finding, _ in (*one.found, *other.found))
    return Searched(
        one.steps + other.steps,
        one.conversations + other.conversations,
        tuple(unlike[key] for key in order)[:most],
        one.reached.with_(other.reached),
        {**other.seen_in, **one.seen_in},
    )


# --- findings --------------------------------------------------------------------------------------------------------


def _fuzzed(program: Program, decide: Decide, judge: Judge, searched: Searched, seed: int, *, shrink: bool) -> Fuzzed:
    shown = tuple(_shown(program, decide, judge, *each, shrink=shrink) for each in searched.found)
    return Fuzzed(seed, searched.steps, searched.conversations, shown, searched.reached)


def _shown(
    program: Program, decide: Decide, judge: Judge, finding: Finding, events: tuple[Event, ...], *, shrink: bool
) -> Shown:
    def found(events: tuple[Event, ...]) -> tuple[tuple[Move, ...], Finding | None]:
        moves = played(program, events, decide)
        if finding.fault is Fault.MISREAD:
            findings = judge(events[: len(moves)])
        else:
            findings = tuple(each for move in moves for each in move.findings)
        return moves, next((each for each in findings if each.key == finding.key), None)

    def shows(events: tuple[Event, ...]) -> int | None:
        moves, same = found(events)
        return None if same is None else len(moves)

    replays = shows(events) is not None
    smallest = shrunk(program.events, events, shows) if replays and shrink else events
    moves, same = found(smallest)
    return Shown(same or finding, smallest, tuple(step for move in moves for step in move.steps), replays)
