"""Two versions of a policy in one conversation: what happens happens to both, and they are watched for acting apart.

First all short conversations are tried, shortest first, as far as few values stand for all; then walks go deeper, from
places where either version showed something new. What is found is shrunk, and both versions play it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import prod
from random import Random
from typing import TypeAlias

from charter.dsl.acts import spoken
from charter.dsl.program import LANGUAGE, Act, ActKind, Event, EventInfo, EventKind, Its, Program, State
from charter.dsl.scenarios import EPOCH, PACE
from charter.dsl.session import Session, Step, begin, feed
from charter.dsl.types import OptionalType, Type, Value, inhabits
from charter.verification.fuzz.reach import Feature, Marks, marks, nodes
from charter.verification.fuzz.shrink import shrunk
from charter.verification.generate.events import Outside, any_value, coming, likely, outside, unlikely

AT_ONCE = 40  # events of one kind that are tried at one place
MOVES = 24  # of one walk
DEEPEST = 100  # events of a conversation
WIDE = 0.5  # the share of the steps in which short conversations are tried

SAFE_STOP = "safe stop"
Said: TypeAlias = tuple[str, str, tuple[tuple[str, Value], ...], str]  # an act, with the words that are spoken


@dataclass(frozen=True, slots=True)
class Apart:
    """A conversation with whose last event the two first act differently, and what each did with it."""

    events: tuple[Event, ...]
    old: tuple[Step, ...]
    new: tuple[Step, ...]
    key: tuple[EventKind, frozenset[str], frozenset[str]]  # the kind of event, and the acts of only one of them


@dataclass(frozen=True, slots=True)
class Searched:
    """What was found, the shortest first, in how many steps; no conversation of `explored` events was left out, as far
    as the values tried stand for all."""

    found: tuple[Apart, ...]
    steps: int
    explored: int


def search(old: Program, new: Program, *, steps: int, seed: int, most: int = 5) -> Searched:
    """Looks for conversations in which the two act differently, until `most` different ones are found."""
    worlds = outside(old), outside(new)
    kinds = {**old.events, **new.events}
    looks = marks(old, worlds[0].mentioned), marks(new, worlds[1].mentioned)
    looked_at = frozenset(_looked_at(old, looks[0])) | frozenset(_looked_at(new, looks[1]))
    return _Search(old, new, worlds, kinds, looks, looked_at, steps, most, Random(seed)).run()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a conversation stands in both."""

    old: Session
    new: Session
    events: tuple[Event, ...] = ()
    rare: Feature = ()


@dataclass(slots=True)
class _Search:
    """The search under way."""

    old: Program
    new: Program
    worlds: tuple[Outside, Outside]
    kinds: Mapping[EventKind, EventInfo]
    looks: tuple[Marks, Marks]
    looked_at: frozenset[tuple[EventKind, str]]
    budget: int
    most: int
    rng: Random
    steps: int = 0
    seen: Counter[Feature] = field(default_factory=Counter)
    places: list[_Place] = field(default_factory=list)
    found: dict[object, Apart] = field(default_factory=dict)

    def run(self) -> Searched:
        explored = self._widely()
        while self._wanted():
            self._walk()
        smallest = (self._shrunk(apart) for apart in self.found.values())
        unlike = {apart.key: apart for apart in sorted(smallest, key=lambda apart: len(apart.events))}
        return Searched(tuple(unlike.values()), self.steps, explored)

    def _wanted(self, share: float = 1.0) -> bool:
        return len(self.found) < self.most and self.steps < share * self.budget

    # --- short conversations

    def _widely(self) -> int:
        """Tries conversations by length; how long those are of which all were tried."""
        level = [_Place(begin(self.old), begin(self.new))]
        self.places += level
        known: set[int] = set()
        for length in range(DEEPEST):
            further: list[_Place] = []
            for place in level:
                for event in self._representatives(place):
                    if not self._wanted(WIDE):
                        return length
                    after = self._goes(place, event)
                    if after is not None and (mark := self._mark(after)) not in known:
                        known.add(mark)
                        further.append(after)
            if not further:
                return DEEPEST
            level = further
        return DEEPEST

    def _mark(self, place: _Place) -> int:
        return hash((self.looks[0].mark(place.old.state), self.looks[1].mark(place.new.state), len(place.old.waiting)))

    def _representatives(self, place: _Place) -> Iterator[Event]:
        """Events of each kind that can come to either, with values that stand for others."""
        now = place.events[-1].now + PACE if place.events else EPOCH
        states = (self.old, place.old.state), (self.new, place.new.state)
        every = [(kind, given) for program, state in states for kind, given in coming(program, state, now)]
        for kind, given in (each for i, each in enumerate(every) if each not in every[:i]):
            among = {name: self._values(kind, name, type_) for name, type_ in self.kinds[kind].fields}
            among |= {name: [value] for name, value in given.items()}
            if prod(len(values) for values in among.values()) <= AT_ONCE:
                combined = list(product(*among.values()))
            else:
                combined = [tuple(self.rng.choice(values) for values in among.values()) for _ in range(AT_ONCE)]
            for values in dict.fromkeys(combined):
                yield Event(kind, dict(zip(among, values, strict=True)), now)

    def _values(self, kind: EventKind, name: str, type_: Type) -> list[Value]:
        """Values that stand for all of a field: those that a version mentions, and more; one, where nobody looks."""
        rng = Random(f"{kind} {name}")  # the same ones at every place
        if (kind, name) not in self.looked_at:
            return [any_value(rng, type_)]
        mentioned = [v for world in self.worlds for v in world.mentioned.get(type_, ())]
        return list(dict.fromkeys([*mentioned, *(any_value(rng, type_, self.worlds[1].mentioned) for _ in range(4))]))

    # --- walks

    def _walk(self) -> None:
        draw = [self.places[self.rng.randrange(len(self.places))] for _ in range(4)]
        place: _Place | None = min(draw, key=lambda place: self.seen[place.rare])
        for _ in range(MOVES):
            if place is None or not self._wanted():
                return
            place = self._goes(place, self._event(place))

    def _event(self, place: _Place) -> Event:
        now = place.events[-1].now + PACE if place.events else EPOCH
        either = self.rng.randrange(2)
        world, state = self.worlds[either], (place.old, place.new)[either].state
        if self.rng.random() < 0.85:
            return likely(self.rng, world, state, now) or unlikely(self.rng, world, now)
        return unlikely(self.rng, world, now)

    # --- steps

    def _goes(self, place: _Place, event: Event) -> _Place | None:
        """The place after an event; None where both are apart, or nothing more comes of it."""
        played = both(self.old, self.new, place.old, place.new, event)
        if played is None:
            self.steps += 1
            return place
        (old, new), (old_steps, new_steps) = played
        self.steps += max(1, len(old_steps) + len(new_steps))
        events = (*place.events, event)
        key = difference(self.old, self.new, old_steps, new_steps, event.kind)
        if key is not None:
            self.found.setdefault(key, Apart(events, old_steps, new_steps, key))
            return None
        taken = [s for s in (*old_steps, *new_steps) if s.outcome.dropped is None]
        if not taken and (old.waiting, new.waiting) == (place.old.waiting, place.new.waiting):
            return None if len(place.events) > MOVES else place
        first = self._first(place.old.state, self.looks[0], old_steps)
        first = self._first(place.new.state, self.looks[1], new_steps) or first
        after = _Place(old, new, events, first or ())
        if first is not None:
            self.places.append(after)
        return after if len(events) < DEEPEST else None

    def _first(self, before: State, look: Marks, steps: tuple[Step, ...]) -> Feature | None:
        """Something that is seen for the first time."""
        first: Feature | None = None
        for step in steps:
            for feature in look.features(before, step):
                first = first or (feature if feature not in self.seen else None)
                self.seen[feature] += 1
            before = step.outcome.state
        return first

    def _shrunk(self, apart: Apart) -> Apart:
        def shows(events: tuple[Event, ...]) -> int | None:
            again = replayed(self.old, self.new, events)
            return len(again.events) if again is not None and again.key == apart.key else None

        smallest = replayed(self.old, self.new, shrunk(self.kinds, apart.events, shows))
        assert smallest is not None
        return smallest


def _looked_at(program: Program, look: Marks) -> Iterator[tuple[EventKind, str]]:
    """The fields of events that anything depends on."""
    watched = {node.field for node in nodes(program.requirements) if isinstance(node, Its)}
    for kind, info in program.events.items():
        seen = watched | {node.field for node in nodes(program.strata[kind]) if isinstance(node, Its)}
        read = {variable for variable, _ in info.arrives if variable in look.read}
        stored = {
            node.field
            for variable, value in info.arrives
            if variable in read
            for node in nodes(value)
            if isinstance(node, Its)
        }
        yield from ((kind, name) for name, _ in info.fields if name in seen | stored)


# --- both versions ---------------------------------------------------------------------------------------------------


def replayed(old: Program, new: Program, events: tuple[Event, ...]) -> Apart | None:
    """Where both versions first act differently in a conversation, from its beginning; None where they never do."""
    at = begin(old), begin(new)
    for number, event in enumerate(events, 1):
        played = both(old, new, *at, event)
        if played is None:
            return None
        at, (old_steps, new_steps) = played
        key = difference(old, new, old_steps, new_steps, event.kind)
        if key is not None:
            return Apart(events[:number], old_steps, new_steps, key)
    return None


def both(
    old: Program, new: Program, before: Session, after: Session, event: Event
) -> tuple[tuple[Session, Session], tuple[tuple[Step, ...], tuple[Step, ...]]] | None:
    """What an event does to both; None where it does not fit the schema of one. Nothing comes of an unknown kind."""
    sessions: list[Session] = []
    steps: list[tuple[Step, ...]] = []
    for program, session in ((old, before), (new, after)):
        if event.kind not in program.events:
            sessions.append(session)
            steps.append(())
            continue
        fitting = _fitting(program, event)
        if fitting is None:
            return None
        session, taken = feed(program, session, fitting)
        sessions.append(session)
        steps.append(taken)
    return (sessions[0], sessions[1]), (steps[0], steps[1])


def difference(
    old: Program, new: Program, old_steps: tuple[Step, ...], new_steps: tuple[Step, ...], kind: EventKind
) -> tuple[EventKind, frozenset[str], frozenset[str]] | None:
    """How the acts of both differ, words included; None where they are the same in the same order."""
    a, b = _acts(old, old_steps), _acts(new, new_steps)
    if a == b:
        return None
    only = ({said for said in one if said not in other} for one, other in ((a, b), (b, a)))
    gone, come = (frozenset(f"{said[0]} {said[1]}".strip() for said in some) for some in only)
    return kind, gone, come


def _fitting(program: Program, event: Event) -> Event | None:
    """The event as this version knows it: without fields that it has not, with unknown ones that it has besides."""
    fields: dict[str, Value] = {}
    for name, type_ in program.events[event.kind].fields:
        agent = program.agents.get(event.kind)
        if name in event.fields:
            value = event.fields[name]
        elif agent is not None and name in agent.defaults:
            value = agent.defaults[name]
        elif isinstance(type_, OptionalType):
            value = None
        else:
            return None
        if not inhabits(value, type_):
            return None
        fields[name] = value
    return Event(event.kind, fields, event.now)


def _acts(program: Program, steps: tuple[Step, ...]) -> list[Said]:
    """What leaves, in order; an incident in place of what the rules wanted is told apart from what they do."""
    found: list[Said] = []
    for step in steps:
        language = str(step.outcome.state[LANGUAGE] or program.languages[0])
        acts = [act for act in step.outcome.acts if act.kind is not ActKind.EXHAUSTED]
        found += [(act.kind, act.name, act.args, _words(program, act, language)) for act in acts]
        found += [(SAFE_STOP, "", (), "")] if step.outcome.broken else []
    return found


def _words(program: Program, act: Act, language: str) -> str:
    return spoken(program, act, language) if act.kind in (ActKind.SAY, ActKind.DISCLOSE) else ""
