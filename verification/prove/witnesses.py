"""Conversations in which requirements matter, or rules fire, come across by playing: few of them need a solver then.

Each is played again before it counts, also those that were remembered.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, chain
from typing import Generic, TypeAlias, TypeVar

from charter.dsl.program import Event, Program, State
from charter.dsl.session import Session, Step, begin, feed
from charter.verification.fuzz.aim import Aim, Causes
from charter.verification.fuzz.play import Fault, semantics_alone
from charter.verification.fuzz.reach import Branch, Feature, OccasionKey, Reached, branches_of, observer
from charter.verification.fuzz.search import ALL, Budget, Searched, search
from charter.verification.prove.cache import Cache
from charter.verification.prove.hints import Conversation
from charter.verification.prove.machine import Goal, goal_of
from charter.verification.prove.trigger import occasions

Witnesses: TypeAlias = dict[OccasionKey, tuple[Event, ...]]


@dataclass(frozen=True, slots=True)
class Met:
    """What was come across: conversations without incident that end with an occasion; and such that end with an
    incident, by the requirement that it would break."""

    occasions: Witnesses = field(default_factory=Witnesses)
    breaks: Mapping[str, tuple[Event, ...]] = field(default_factory=dict)


_K = TypeVar("_K", bound=Feature | str)

SEED = 0
STEPS = 200  # of play for each branch of a program, at most


def witnesses(program: Program, cache: Cache | None) -> Met:
    """What is come across when occasions are sought that are not remembered."""
    player, goals, causes = _observing(program), _goals(program), Causes(program)
    known = {} if cache is None else player.confirmed(_remembered(program, cache, goals))
    aims: dict[Feature, Aim] = {key: causes.of(goal.watches) for key, goal in goals.items() if key not in known}
    searched = _searched(program, aims)
    new = player.shortest({occasion: searched.seen_in[occasion] for occasion in goals if occasion in searched.seen_in})
    for occasion, events in new.items():
        if cache is not None:
            cache.keep(program, goals[occasion], Conversation(events, (), ()))
    broken = {finding.name: events for finding, events in searched.found if finding.fault is Fault.BROKEN}
    breaking = _Player(program, lambda _, taken: (each.requirement for each in taken.outcome.broken))
    return Met({**known, **new}, breaking.shortest(broken))


def still(program: Program, told: Witnesses) -> Witnesses:
    """Those conversations that are what is told of them in this program too."""
    return _observing(program).confirmed(told)


def firings(program: Program) -> Mapping[Branch, tuple[Event, ...]]:
    """For each rule on a kind of event that was come across a conversation without incident that ends with it."""

    def fired(_: State, taken: Step) -> Iterable[Feature]:
        return (("fires", rule, taken.event.kind) for rule in taken.outcome.fired)

    causes = Causes(program)
    sought: dict[Feature, Branch] = {("fires", *branch): branch for branch in sorted(branches_of(program))}
    searched = _searched(program, {feature: causes.of_rule(*branch) for feature, branch in sought.items()})
    found = _Player(program, _without_incident(fired)).shortest(searched.seen_in)
    return {sought[feature]: events for feature, events in found.items()}


def _observing(program: Program) -> "_Player[OccasionKey]":
    seeing = observer(program)
    return _Player(program, _without_incident(lambda before, taken: seeing.see(before, taken, Reached())))


def _without_incident(sees: Callable[[State, Step], Iterable[_K]]) -> Callable[[State, Step], Iterable[_K]]:
    """What is seen in a step, but in none in which anything is broken."""
    return lambda before, taken: () if taken.outcome.broken else sees(before, taken)


def _searched(program: Program, aims: Mapping[Feature, Aim]) -> Searched:
    """What came of a search for this."""
    budget = Budget(STEPS * len(branches_of(program)), findings=ALL, seeking=aims)
    return search(program, semantics_alone(program), budget, seed=SEED)


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

    def shortest(self, told: Mapping[_K, tuple[Event, ...]]) -> dict[_K, tuple[Event, ...]]:
        """Those conversations that are what is told of them, as short as pieces can be left out of them."""
        return {each: self._shortened(each, events) for each, events in self.confirmed(told).items()}

    def confirmed(self, told: Mapping[_K, tuple[Event, ...]]) -> dict[_K, tuple[Event, ...]]:
        """Those conversations that are what is told of them."""
        played = {each: self._goes_on(begin(self.program), each, events) for each, events in told.items()}
        return {each: events for each, events in played.items() if events}

    def _shortened(self, sought: _K, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """The conversation without the pieces that it does without, half of it first, then smaller and smaller ones."""
        sessions = self._sessions(events)
        size = len(events) // 2
        while size:
            for end in range(len(events) - 1, 0, -size):
                place, rest = max(0, end - size), events[end:]
                if not self._goes_on(sessions[place], sought, rest):
                    continue
                shorter = self._goes_on(sessions[0], sought, (*events[:place], *rest))
                if shorter and len(shorter) < len(events):
                    events, sessions = shorter, self._sessions(shorter)
            size //= 2
        return events

    def _sessions(self, events: tuple[Event, ...]) -> list[Session]:
        """The conversation before each of its events, and after the last."""
        return list(accumulate(events, lambda at, event: feed(self.program, at, event)[0], initial=begin(self.program)))

    def _goes_on(self, session: Session, sought: _K, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """The steps of recorded events, those that nobody recorded too, if the last of these events leads to what is
        sought, and none to an incident before; else none."""
        taken: list[Event] = []
        for number, event in enumerate(events, 1):
            before = session.state
            session, steps = feed(self.program, session, event)
            for each in steps:
                if each.outcome.dropped is None:
                    taken.append(each.event)
                if number == len(events) and sought in self.sees(before, each):
                    return tuple(taken)
                if each.outcome.broken:
                    return ()
                before = each.outcome.state
        return ()
