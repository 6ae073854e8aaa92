"""Conversations in which requirements matter, or rules fire, come across by playing: few of them need a solver then.

Each is played again before it counts, also those that were remembered.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeAlias, TypeVar

from charter.dsl.program import Event, Program, State
from charter.dsl.session import Step, begin, feed
from charter.verification.fuzz.aim import Aim, Causes
from charter.verification.fuzz.play import semantics_alone
from charter.verification.fuzz.reach import Branch, Feature, OccasionKey, Reached, branches_of, observer
from charter.verification.fuzz.search import ALL, Budget, search
from charter.verification.prove.cache import Cache
from charter.verification.prove.hints import Conversation
from charter.verification.prove.machine import Goal, goal_of
from charter.verification.prove.trigger import occasions

Witnesses: TypeAlias = dict[OccasionKey, tuple[Event, ...]]

_K = TypeVar("_K", bound=Feature)

SEED = 0
STEPS = 200  # of play for each branch of a program, at most


def witnesses(program: Program, cache: Cache | None) -> Witnesses:
    """For each occasion that was come across a conversation without incident that ends with it."""
    player, goals, causes = _observing(program), _goals(program), Causes(program)
    known = {} if cache is None else player.confirmed(_remembered(program, cache, goals))
    new = player.found({key: causes.of(goal.watches) for key, goal in goals.items() if key not in known})
    for occasion, events in new.items():
        if cache is not None:
            cache.keep(program, goals[occasion], Conversation(events, (), ()))
    return {**known, **new}


def still(program: Program, told: Witnesses) -> Witnesses:
    """Those conversations that are what is told of them in this program too."""
    return _observing(program).confirmed(told)


def firings(program: Program) -> Mapping[Branch, tuple[Event, ...]]:
    """For each rule on a kind of event that was come across a conversation without incident that ends with it."""

    def fired(_: State, taken: Step) -> Iterable[Feature]:
        return (("fires", rule, taken.event.kind) for rule in taken.outcome.fired)

    causes = Causes(program)
    sought: dict[Feature, Branch] = {("fires", *branch): branch for branch in sorted(branches_of(program))}
    found = _Player(program, fired).found({feature: causes.of_rule(*branch) for feature, branch in sought.items()})
    return {sought[feature]: events for feature, events in found.items()}


def _observing(program: Program) -> "_Player[OccasionKey]":
    seeing = observer(program)
    return _Player(program, lambda before, taken: seeing.see(before, taken, Reached()))


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
class _Player(Generic[_K]):
    """Plays conversations, and says what their steps are."""

    program: Program
    sees: Callable[[State, Step], Iterable[_K]]

    def found(self, aims: Mapping[_K, Aim]) -> dict[_K, tuple[Event, ...]]:
        """What is come across of this, each with a short conversation that ends with it."""
        if not aims:
            return {}
        budget = Budget(STEPS * len(branches_of(self.program)), findings=ALL, seeking=aims)  # type: ignore[arg-type]  # keys are features
        seen_in = search(self.program, semantics_alone(self.program), budget, seed=SEED).seen_in
        met = self.confirmed({each: seen_in[each] for each in aims if each in seen_in})
        return {each: self._shortened(each, events) for each, events in met.items()}

    def confirmed(self, told: Mapping[_K, tuple[Event, ...]]) -> dict[_K, tuple[Event, ...]]:
        """Those conversations that are what is told of them."""
        played = {each: self._until(each, events) for each, events in told.items()}
        return {each: events for each, events in played.items() if events}

    def _shortened(self, sought: _K, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """The conversation without the pieces that it does without, half of it first, then smaller and smaller ones."""
        size = len(events) // 2
        while size:
            for end in range(len(events) - 1, 0, -size):
                shorter = self._until(sought, (*events[: max(0, end - size)], *events[end:]))
                if shorter and len(shorter) < len(events):
                    events = shorter
            size //= 2
        return events

    def _until(self, sought: _K, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """The steps of recorded events, those that nobody recorded too, if the last of these events leads to what is
        sought, and to no incident before; else none."""
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
                if number == len(events) and sought in self.sees(before, each):
                    return tuple(taken)
                before = each.outcome.state
        return ()
