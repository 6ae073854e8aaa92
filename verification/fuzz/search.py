"""The search for what must not happen: conversations with a hostile outside against every executor at once.

Two ways of making conversations share the work. Hypothesis makes some from the beginning. The others are *walks*: they
go on from places worth coming back to, where a rule, a branch, a value or a whole state was first seen, so that what
lies many events deep is reached step by step. The same seed and number of steps make the same conversations.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from charter.dsl.program import OVER, TURN_OPEN, Event, Opening, Program
from charter.dsl.scenarios import EPOCH, PACE
from charter.verification.fuzz.aim import Aim
from charter.verification.fuzz.judge import Judge, no_judge
from charter.verification.fuzz.machine import conversations
from charter.verification.fuzz.play import Decide, Fault, Finding, Move, Place, beginning, play
from charter.verification.fuzz.reach import Feature, Marks, Observer, Reached, marks, observer
from charter.verification.generate.events import Outside, likely, narrowed, outside, unlikely

HYPOTHESIS = 0.125  # the share of the budget in which Hypothesis makes the conversations
BATCH = 20  # conversations that it makes in a row
MOVES = 24  # of one walk
DEEPEST = 150  # events of a conversation
REMEMBERED = 2_000_000  # whole states
ROOM = 1024  # places that are kept for their whole state
OBSERVED = 16  # one step of so many is looked at for what requirements are about, besides those that show something new
RESTLESS = 100  # steps without anything new, after which what is sought is aimed at
PATIENCE = 5_000  # such steps after which it is given up
JUDGED = 20  # one conversation of so many is judged as a whole
ALL = 1_000_000_000  # findings, as many as there are
PAUSES = (0, 0, 0, 1, 900, 59_001, 3_600_000, 90_000_000)


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop: after so many steps, or so many seconds, or so many different findings; or, where occasions or
    features are sought, when all have come, or none does any more though it is aimed at."""

    steps: int | None = 30_000
    seconds: float | None = None
    findings: int = 10
    seeking: Mapping[Feature, Aim] | None = None


@dataclass(frozen=True, slots=True)
class Searched:
    """What came of it: each finding with the conversation it was found in, and what was reached."""

    steps: int
    conversations: int
    found: tuple[tuple[Finding, tuple[Event, ...]], ...]
    reached: Reached
    seen_in: Mapping[Feature, tuple[Event, ...]]  # what was sought, each with a conversation that ends with it


def search(
    program: Program,
    decide: Decide,
    budget: Budget,
    *,
    seed: int,
    judge: Judge = no_judge,
    clock: Callable[[], float] = time.monotonic,
    began: float | None = None,
) -> Searched:
    """Looks for conversations in which executors differ, something fails, or the rules would break what is required.
    The seconds of the budget count from `began`, or else from now."""
    world = outside(program)
    looks = marks(program, world.mentioned)
    began = clock() if began is None else began
    return _Search(world, decide, judge, budget, clock, began, Random(seed), looks, observer(program)).run(seed)


@dataclass(slots=True)
class _Entry:
    """A place to go on from, what is rare about it, and how much of what leads to an aim has come."""

    place: Place
    rare: Feature = ()
    near: int = 0
    chosen: int = 0


@dataclass(slots=True)
class _Search:
    """The search under way."""

    world: Outside
    decide: Decide
    judge: Judge
    budget: Budget
    clock: Callable[[], float]
    began: float
    rng: Random
    marks: Marks
    observer: Observer
    reached: Reached = field(default_factory=Reached)
    seen: Counter[Feature] = field(default_factory=Counter)  # how often
    known: set[int] = field(default_factory=set)  # the marks of whole states
    firsts: list[_Entry] = field(default_factory=list)  # where something was first seen
    states: list[_Entry] = field(default_factory=list)  # where the state as a whole was new
    found: dict[tuple[Fault, str], tuple[Finding, tuple[Event, ...]]] = field(default_factory=dict)
    steps: int = 0
    conversations: int = 0
    played: tuple[Event, ...] = ()  # of the conversation under way
    ended: int = 0
    seen_in: dict[Feature, tuple[Event, ...]] = field(default_factory=dict)
    newest: int = 0  # the last step that showed anything new
    aim: Aim | None = None  # what is being sought just now

    def run(self, seed: int) -> Searched:
        program = self.world.program
        while self.budget.seeking is None and self._wanted(HYPOTHESIS):
            conversations(self.world, self._goes, self._end, count=BATCH, seed=seed + self.conversations)
            self.conversations += BATCH
        self.firsts.append(_Entry(beginning(program)))
        while self._wanted() and not self._is_idle(RESTLESS):
            self._walk()
        for aim in self._aims():
            self._seek(aim)
        return Searched(self.steps, self.conversations, tuple(self.found.values()), self.reached, self.seen_in)

    def _wanted(self, share: float = 1.0) -> bool:
        budget = self.budget
        all_seen = budget.seeking is not None and len(self.seen_in) == len(budget.seeking)
        if all_seen or len(self.found) >= budget.findings:
            return False
        if budget.steps is not None and self.steps >= share * budget.steps:
            return False
        return budget.seconds is None or self.clock() - self.began < share * budget.seconds

    # --- what is sought

    def _missing(self) -> list[Aim]:
        return [aim for sought, aim in (self.budget.seeking or {}).items() if sought not in self.seen_in]

    def _is_idle(self, patience: int) -> bool:
        """Whether something is sought, and nothing new has come for so many steps."""
        return self.budget.seeking is not None and self.steps > self.newest + patience

    def _aims(self) -> Iterator[Aim]:
        """At what is still missing, the nearest first."""
        for aim in sorted(dict.fromkeys(self._missing()), key=lambda aim: len(aim.causes)):
            if aim in self._missing():
                yield aim

    def _seek(self, aim: Aim) -> None:
        """Walks among what leads there, from places that do, and that differ in what leads there."""
        world = narrowed(self.world, sorted(aim.kinds), aim.guards(self.world.program))
        marks = replace(self.marks, read=aim.variables)
        aimed = replace(self, aim=aim, newest=self.steps, world=world, marks=marks, firsts=[], states=[], known=set())
        aimed.firsts += (aimed._afresh(entry) for entry in self.firsts if not entry.rare or aim.has(entry.rare))
        known = len(aimed.firsts)
        while aimed._wanted() and not aimed._is_idle(PATIENCE) and aim in aimed._missing():
            aimed._walk()
        self.firsts += aimed.firsts[known:]
        self.steps, self.conversations = aimed.steps, aimed.conversations

    def _afresh(self, entry: _Entry) -> _Entry:
        """The same place, with what counts now."""
        return self._entry(replace(entry.place, mark=self.marks.mark(entry.place.session.state)), entry.rare)

    # --- walks

    def _walk(self) -> None:
        """Goes on from a place, for a while."""
        entry = self._chosen()
        entry.chosen += 1
        self.conversations += 1
        place: Place | None = entry.place
        for _ in range(MOVES):
            if place is None or not self._wanted():
                break
            place = self._goes(place, self._event(place))
        self._end()

    def _end(self) -> None:
        """The end of a conversation: of a share of them everything is judged once more, as a whole."""
        self.ended += 1
        if self.ended % JUDGED == 0:
            for finding in self.judge(self.played):
                self.found.setdefault(finding.key, (finding, self.played))

    def _chosen(self) -> _Entry:
        """Of a few places drawn, the one where what was first seen is still the rarest, or that was chosen least, or
        that is the nearest to an aim."""
        pool = self.states if self.states and self.rng.random() < (0.6 if self.aim else 0.3) else self.firsts
        draw = [pool[self.rng.randrange(len(pool))] for _ in range(4)]
        return min(draw, key=lambda entry: (self.seen[entry.rare] + entry.chosen - 2 * entry.near, entry.chosen))

    def _entry(self, place: Place, rare: Feature = ()) -> _Entry:
        return _Entry(place, rare, 0 if self.aim is None else self.aim.reached(self.world.program, place.session.state))

    def _event(self, place: Place) -> Event:
        rng, state = self.rng, place.session.state
        now = place.events[-1].now + PACE + rng.choice(PAUSES) if place.events else EPOCH
        kind = rng.random()
        if kind < 0.8:
            expected = likely(rng, self.world, state, now)
            if expected is not None:
                return expected
        if kind < 0.9 and place.events:  # once more, or too late
            again = rng.choice(place.events[-6:])
            return Event(again.kind, again.fields, now)
        if kind < 0.95 and state[TURN_OPEN]:  # the customer goes on without waiting
            while (event := unlikely(rng, self.world, now)) is not None:
                if self.world.program.events[event.kind].opening is not Opening.ANSWERS:
                    return event
        return unlikely(rng, self.world, now)

    # --- steps

    def _goes(self, place: Place, event: Event) -> Place | None:
        """The place after an event, noted if it shows anything new; None where the conversation ends."""
        move = play(self.world.program, place, event, self.decide)
        self.steps += max(1, len(move.steps))
        self.played = move.place.events
        if move.findings:
            for finding in move.findings:
                self.found.setdefault(finding.key, (finding, move.place.events))
            for taken in move.steps:
                self.reached.add(taken)
            return None
        if all(taken.outcome.dropped is not None for taken in move.steps) and not move.place.session.waiting:
            return None if place.session.state[OVER] else place
        place = self._noted(place, move)
        return place if len(place.events) < DEEPEST else None

    def _noted(self, before_it: Place, move: Move) -> Place:
        """Where a move led, marked."""
        before, place = before_it.session.state, move.place
        place = replace(place, mark=self.marks.moved(before_it.mark, before, place.session.state))
        first: Feature | None = None
        for taken in move.steps:
            features = list(self.marks.features(before, taken))
            fresh = [feature for feature in features if feature not in self.seen]
            if fresh or self.steps % OBSERVED == 0:
                self._met(self.observer.see(before, taken, self.reached), place)
            if fresh:
                self.reached.add(taken)
                self._met(fresh, place)
                first = first or fresh[0]
            self.seen.update(features)
            before = taken.outcome.state
        if first is not None:
            self.firsts.append(self._entry(place, first))
            self.newest = self.steps
        if place.mark not in self.known and len(self.known) < REMEMBERED:
            self.known.add(place.mark)
            self._keep(self._entry(place))
        return place

    def _met(self, came: Iterable[Feature], place: Place) -> None:
        for each in came:
            if self.budget.seeking is not None and each in self.budget.seeking:
                known = self.seen_in.get(each)
                if known is None or len(place.events) < len(known):
                    self.seen_in[each] = place.events

    def _keep(self, entry: _Entry) -> None:
        if len(self.states) < ROOM:
            self.states.append(entry)
        else:
            self.states[self.rng.randrange(ROOM)] = entry
