"""A reader of whole conversations: which requirement is broken, and where, by quantifying over all that happened.

It reads the requirements as they are written and knows nothing of the watches that they are lowered to, so that the two
can be tested against each other. Speed does not matter here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from charter.dsl.syntax import tree as s
from charter.verification.reader.conditions import Plain, SeenAct, SeenStep, View, Words, holds

Position: TypeAlias = tuple[int, int, int]
"""A step, and where in it: 0 the event, 1 all changes, 2 the acts in leaving order."""

MUST_ANSWER = ("start", "utterance", "keys", "silence")
SPEECH = ("say", "disclose", "collect", "escalate")
ANSWERS = (*SPEECH, "end")
ALWAYS = (*MUST_ANSWER, "interrupt", "hangup")


@dataclass(frozen=True, slots=True)
class _Subject:
    """One thing that happened: an event, the change of a fact, or an act."""

    position: Position
    what: str  # "event", "change" or the kind of an act
    name: str
    fields: Mapping[str, Plain]


def broken(clauses: Iterable[s.Clause], initial: Mapping[str, Plain], trace: Sequence[SeenStep]) -> dict[str, set[int]]:
    """For each requirement, built-in ones included, the steps at which it is broken.

    A debt that is not paid in time is broken once, where it was to be paid.
    """
    clauses = tuple(clauses)
    reading = _Reading(_words(clauses, initial), trace)
    found: dict[str, set[int]] = {}
    replaced = {c.replaces.text for c in clauses if isinstance(c, s.Require) and c.replaces is not None}
    for clause in clauses:
        match clause:
            case s.Require(name, form=form):
                found[name.text] = set(reading.form(form))
            case s.Policy(human_wanted=wanted) if wanted is not None and "human_wanted" not in replaced:
                transfer = s.Happening(s.ActRef("escalate", None, (), clause.span), None, clause.span)
                found["human_wanted"] = set(reading.form(s.Whenever((wanted,), (transfer,), "in this turn")))
    if "answered" not in replaced:
        found["answered"] = set(reading.unanswered())
    return found


def _words(clauses: Sequence[s.Clause], initial: Mapping[str, Plain]) -> Words:
    return Words(
        initial,
        {c.name.text: c for c in clauses if isinstance(c, s.Define)},
        frozenset(c.name.text for c in clauses if isinstance(c, s.Agent)),
        {c.name.text: tuple(f.name.text for f in c.params) for c in clauses if isinstance(c, s.Tool)},
        {c.name.text: tuple(member.text for member in c.members) for c in clauses if isinstance(c, s.Tools)},
        frozenset(c.name.text for c in clauses if isinstance(c, s.OutsideEvent)),
    )


class _Reading:
    """One conversation, read for the requirements of one policy."""

    def __init__(self, words: Words, trace: Sequence[SeenStep]) -> None:
        self._words = words
        self._trace = trace
        self._turn: list[int] = []  # the turn of each step
        for step in trace:
            self._turn.append((self._turn[-1] if self._turn else 0) + step.opened)
        self._subjects = [subject for i, step in enumerate(trace) for subject in _subjects(i, step)]

    def form(self, form: s.Form) -> Iterator[int]:
        """The steps at which a requirement of this form is broken."""
        match form:
            case s.Before(first, then):
                return self._only_after(then, first, (), new=False)
            case s.OnlyAfter(what, first, new, since):
                return self._only_after(what, first, since, new=new)
            case s.OnlyBetween(what, first, last):
                return self._only_after(what, first, last, new=False)
            case s.OnlyAfterAll(what, disclosures, since):
                return self._only_after_all(what, [name.text for name in disclosures], since)
            case s.OnlyIf(what, condition, exactly):
                return self._exactly_if(what, condition) if exactly else self._only_if(what, condition)
            case s.Never(what, condition):
                return (b.position[0] for b in self._all(what) if condition is None or self._at(condition, b))
            case s.NeverWith(what, other):
                return self._never_with(what, other)
            case s.NeverFrom(what, first, last):
                return self._never_from(what, first, last)
            case s.AtMost(what, times, since, per_turn):
                return self._at_most(what, 1 if times is None else int(times.text), since, per_turn)
            case s.Whenever(trigger, what, deadline):
                match deadline:
                    case "in this turn":
                        return self._in_this_turn(trigger, what)
                    case "next":
                        return self._next(trigger, what)
                    case _:
                        return self._before_end(trigger, what)
            case _:
                assert_never(form)

    def unanswered(self) -> Iterator[int]:
        """Where a turn closes that the customer opened and nobody answered; hanging up excuses."""
        for close, turn in self._closes():
            steps = [self._trace[i] for i in turn]
            answered = any(act.kind in ANSWERS for step in steps for act in step.acts)
            if steps[0].event in MUST_ANSWER and not answered and all(step.event != "hangup" for step in steps):
                yield close

    # --- order

    def _only_after(self, what: s.Happenings, first: s.Happenings, since: s.Happenings, *, new: bool) -> Iterator[int]:
        """Each B has an earlier A with no C between; with `new`, one that no other B has had."""
        firsts, resets = self._all(first), self._all(since)
        before: Position = (-1, 0, 0)  # of the B before
        for b in self._all(what):
            serving = [a for a in firsts if a.position < b.position and not _between(resets, a, b)]
            if not any(not new or before <= a.position for a in serving):
                yield b.position[0]
            before = b.position

    def _only_after_all(self, what: s.Happenings, names: list[str], since: s.Happenings) -> Iterator[int]:
        resets = self._all(since)
        said = {name: [x for x in self._subjects if (x.what, x.name) == ("disclose", name)] for name in names}
        for b in self._all(what):
            for name in names:
                if not any(a.position < b.position and not _between(resets, a, b) for a in said[name]):
                    yield b.position[0]

    def _never_from(self, what: s.Happenings, first: s.Happenings, last: s.Happenings) -> Iterator[int]:
        firsts, lasts = self._all(first), self._all(last)
        for b in self._all(what):
            if any(a.position < b.position and not _between(lasts, a, b) for a in firsts):
                yield b.position[0]

    def _never_with(self, what: s.Happenings, other: s.Happenings) -> Iterator[int]:
        others = self._all(other)
        for b in self._all(what):
            if any(o is not b and o.position[0] == b.position[0] for o in others):
                yield b.position[0]

    def _at_most(self, what: s.Happenings, times: int, since: s.Happenings, per_turn: bool) -> Iterator[int]:
        """Each B is one of at most so many since the last A before it, in its turn or in all."""
        all_of, resets = self._all(what), self._all(since)
        for k, b in enumerate(all_of):
            counted = [
                x
                for x in all_of[: k + 1]
                if not any(x.position <= r.position < b.position for r in resets)
                and (not per_turn or self._turn[x.position[0]] == self._turn[b.position[0]])
            ]
            if len(counted) > times:
                yield b.position[0]

    # --- conditions

    def _only_if(self, what: s.Happenings, condition: s.Expr) -> Iterator[int]:
        return (b.position[0] for b in self._all(what) if not self._at(condition, b))

    def _exactly_if(self, what: s.Happenings, condition: s.Expr) -> Iterator[int]:
        yield from self._only_if(what, condition)
        happened = {b.position[0] for b in self._all(what)}
        for i in range(len(self._trace)):
            if self._in(condition, i) and not self._in(condition, i - 1) and i not in happened:
                yield i

    # --- debts

    def _in_this_turn(self, trigger: tuple[s.Happening | s.Expr, ...], what: s.Happenings) -> Iterator[int]:
        """Paid in the step in which it falls due or later, before the turn closes; a later hang-up excuses."""
        due, paid = self._due(trigger, per_turn=True), self._steps(what)
        for close, turn in self._closes():
            for i in due & set(turn):
                excused = any(self._trace[j].event == "hangup" for j in turn if j > i)
                if not excused and not any(i <= j for j in paid & set(turn)):
                    yield close

    def _before_end(self, trigger: tuple[s.Happening | s.Expr, ...], what: s.Happenings) -> Iterator[int]:
        due, paid = self._due(trigger, per_turn=False), self._steps(what)
        for end in (x.position[0] for x in self._subjects if x.what == "end"):
            if any(i <= end and not any(i <= j <= end for j in paid) for i in due):
                yield end

    def _next(self, trigger: tuple[s.Happening | s.Expr, ...], what: s.Happenings) -> Iterator[int]:
        """The first speech or transfer from the step on, other than a safe stop's, is an A."""
        right = {x.position for x in self._all(what)}
        spoken = [x.position for x in self._subjects if x.what in SPEECH]
        spoken = [at for at in spoken if at in right or not self._trace[at[0]].stopped]
        for i in self._due(trigger, per_turn=True):
            first = next((at for at in spoken if at[0] >= i), None)
            if first is not None and first not in right:
                yield first[0]

    def _due(self, trigger: tuple[s.Happening | s.Expr, ...], *, per_turn: bool) -> set[int]:
        """The steps at which something falls due."""
        happenings, conditions = [], []
        for part in trigger:
            if isinstance(part, s.Happening):
                happenings.append(part)
            elif isinstance(part, s.Ref) and self._is_event(part.name):
                event = s.EventRef("", s.Name(part.name, part.span), part.span)
                happenings.append(s.Happening(event, None, part.span))
            else:
                conditions.append(part)
        due = self._steps(tuple(happenings))
        standing = [any(self._in(condition, i) for condition in conditions) for i in range(len(self._trace))]
        fallen: set[int] = set()  # turns, or the conversation
        for i, stands in enumerate(standing):
            scope = self._turn[i] if per_turn else 0
            opening = self._trace[self._turn.index(self._turn[i])].event
            became = not (i and standing[i - 1])
            if stands and scope not in fallen and (became or opening in MUST_ANSWER):
                fallen.add(scope)
                due.add(i)
        return due

    # --- what happened

    def _all(self, happenings: s.Happenings) -> list[_Subject]:
        """Everything that happened and is meant, in order."""
        return [x for x in self._subjects if any(self._means(happening, x) for happening in happenings)]

    def _steps(self, happenings: s.Happenings) -> set[int]:
        return {x.position[0] for x in self._all(happenings)}

    def _means(self, happening: s.Happening, subject: _Subject) -> bool:
        match happening.of:
            case s.EventRef(mark, name):
                meant = subject.what == "event" and self._names_event(mark, name, subject.name)
            case s.ActRef(kind, name, excepted):
                means = self._members([name]) if name is not None else {subject.name}
                meant = subject.what == kind and subject.name in means - self._members(excepted)
            case s.ChangeOf(fact):
                meant = (subject.what, subject.name) == ("change", fact.text)
            case _:
                assert_never(happening.of)
        return meant and (happening.when is None or self._at(happening.when, subject))

    def _names_event(self, mark: str, name: s.Name | None, kind: str) -> bool:
        names = self._members([name]) if name is not None else {"any"}
        before, after = {
            "fails": ("", " fails"),
            "uncertain": ("", " uncertain"),
            "collect fails": ("collect ", " fails"),
            "escalate fails": ("escalate ", " fails"),
            "": ("", ""),
        }.get(mark, (f"{mark} ", ""))
        if name is None:
            return kind.startswith(before) and kind.endswith(after)
        return kind in {before + one + after for one in names}

    def _members(self, names: Iterable[s.Name]) -> set[str]:
        """The names, and those in the groups that they name."""
        return {one for name in names for one in self._words.groups.get(name.text, (name.text,))}

    def _is_event(self, name: str) -> bool:
        words = self._words
        return name in ALWAYS or any(name in some for some in (words.agents, words.tools, words.groups, words.outside))

    def _closes(self) -> Iterator[tuple[int, list[int]]]:
        """Each step at which a turn closes, with the steps of that turn so far."""
        for i, step in enumerate(self._trace):
            if step.closed:
                yield i, [j for j in range(i + 1) if self._turn[j] == self._turn[i]]

    def _at(self, condition: s.Expr, subject: _Subject) -> bool:
        return holds(condition, View(self._words, self._trace, subject.position[0], subject.fields))

    def _in(self, condition: s.Expr, step: int) -> bool:
        return holds(condition, View(self._words, self._trace, step))


def _subjects(i: int, step: SeenStep) -> Iterator[_Subject]:
    yield _Subject((i, 0, 0), "event", step.event, step.fields)
    for fact in (fact for fact, old in step.before.items() if step.after[fact] != old):
        yield _Subject((i, 1, 0), "change", fact, {})
    for k, act in enumerate(step.acts):
        yield _Subject((i, 2, k), act.kind, act.name, act.fields)


def _between(some: Iterable[_Subject], first: _Subject, last: _Subject) -> bool:
    return any(first.position < x.position < last.position for x in some)


__all__ = ["Plain", "SeenAct", "SeenStep", "broken"]
