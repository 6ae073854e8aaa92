"""Conversations in which requirements matter, come across by playing: few of them need a solver then.

Each is played again before it counts, also those that were remembered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from charter.dsl.program import Event, Program
from charter.dsl.session import begin, feed
from charter.verification.fuzz.aim import Causes
from charter.verification.fuzz.play import semantics_alone
from charter.verification.fuzz.reach import Observer, OccasionKey, Reached, branches_of, observer
from charter.verification.fuzz.search import ALL, Budget, search
from charter.verification.prove.cache import Cache
from charter.verification.prove.hints import Conversation
from charter.verification.prove.machine import Goal, goal_of
from charter.verification.prove.trigger import occasions

Witnesses: TypeAlias = dict[OccasionKey, tuple[Event, ...]]

SEED = 0
STEPS = 200  # of play for each branch of a program, at most


def witnesses(program: Program, cache: Cache | None) -> Witnesses:
    """For each occasion that was come across a conversation without incident that ends with it."""
    player = _Player(program, observer(program))
    goals = _goals(program)
    known = {} if cache is None else player.confirmed(_remembered(program, cache, goals))
    seeking = frozenset(goals.keys() - known.keys())
    if not seeking:
        return known
    causes = Causes(program)
    aims = {occasion: causes.of(goal.watches) for occasion, goal in goals.items() if occasion in seeking}
    budget = Budget(STEPS * len(branches_of(program)), findings=ALL, seeking=aims)
    met = player.confirmed(search(program, semantics_alone(program), budget, seed=SEED).seen_in)
    new = {occasion: player.shortened(occasion, met[occasion]) for occasion in seeking if occasion in met}
    for occasion, events in new.items():
        if cache is not None:
            cache.keep(program, goals[occasion], Conversation(events, (), ()))
    return {**known, **new}


def still(program: Program, told: Witnesses) -> Witnesses:
    """Those conversations that are what is told of them in this program too."""
    return _Player(program, observer(program)).confirmed(told)


def _goals(program: Program) -> dict[OccasionKey, Goal]:
    return {
        (requirement.name, occasion.number): goal_of(program, occasion.probe)
        for requirement in program.requirements
        for occasion in chain.from_iterable(occasions(program, requirement))
    }


def _remembered(program: Program, cache: Cache, goals: Mapping[OccasionKey, Goal]) -> Witnesses:
    hints = {occasion: cache.hint(program, goal) for occasion, goal in goals.items()}
    return {occasion: hint.events for occasion, hint in hints.items() if isinstance(hint, Conversation)}


@dataclass(frozen=True, slots=True)
class _Player:
    """Plays conversations again, and says what they are occasions of."""

    program: Program
    observer: Observer

    def confirmed(self, told: Mapping[OccasionKey, tuple[Event, ...]]) -> Witnesses:
        """Those conversations that are what is told of them."""
        played = {occasion: self._until(occasion, events) for occasion, events in told.items()}
        return {occasion: events for occasion, events in played.items() if events}

    def shortened(self, occasion: OccasionKey, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """The conversation without the pieces that it does without, half of it first, then smaller and smaller ones."""
        size = len(events) // 2
        while size:
            for end in range(len(events) - 1, 0, -size):
                shorter = self._until(occasion, (*events[: max(0, end - size)], *events[end:]))
                if shorter and len(shorter) < len(events):
                    events = shorter
            size //= 2
        return events

    def _until(self, occasion: OccasionKey, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """The steps of recorded events, those that nobody recorded too, if the last of these events leads to the
        occasion, and to no incident before; else none."""
        session = begin(self.program)
        taken: list[Event] = []
        for number, event in enumerate(events, 1):
            before = session.state
            session, steps = feed(self.program, session, event)
            for each in steps:
                if each.outcome.broken:
                    return ()
                if each.outcome.dropped is None:
                    taken.append(each.event)
                if number == len(events) and occasion in self.observer.see(before, each, Reached()):
                    return tuple(taken)
                before = each.outcome.state
        return ()
