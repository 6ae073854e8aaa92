"""What an edit changes of the steps on a kind of event. Both stand in one graph, so what is the same is one term."""

from dataclasses import dataclass

from charter.dsl.program import STEP_CHECKS, EventKind, Variable, seen_by
from charter.verification.encode.encoder import Encoder, Seen, Step
from charter.verification.prove.machine import Goal


@dataclass(frozen=True, slots=True)
class Edited:
    """A kind of event: its step before an edit, its step after it, and what that leads to another value of."""

    before: Step
    after: Step
    moved: frozenset[Variable]

    @property
    def kind(self) -> EventKind:
        """Of both."""
        return self.after.kind

    @property
    def comes_alike(self) -> bool:
        """Whether the event comes when it came before, and finds the same."""
        old, new = self.before, self.after
        return (old.possible, old.ordered, old.old) == (new.possible, new.ordered, new.old)

    def is_judged_alike(self, goal: Goal) -> bool:
        """Whether the step misses the goal when it missed it before, and leaves it the same to remember, where the
        event comes alike."""
        if goal.name in STEP_CHECKS:
            return self.before.broken[goal.name] == self.after.broken[goal.name]
        moments = {moment for watch in goal.watches for moment in seen_by(watch.moment)}
        old, new = ([s for s in step.wanted.seen if s.moment in moments] for step in (self.before, self.after))
        return len(old) == len(new) and all(map(_alike, old, new))


def edited(old: Encoder, new: Encoder, kind: EventKind) -> Edited:
    """The steps of two encoders on a kind of event."""
    before, after = old.step(kind), new.step(kind)
    was, leads_to = before.wanted.final, after.wanted.final
    return Edited(before, after, frozenset(variable for variable in was if was[variable] != leads_to[variable]))


def _alike(old: Seen, new: Seen) -> bool:
    """INVARIANT: the steps of both begin alike, so their states differ only by what has changed since."""
    this, that = (old.moment, old.comes, old.its, old.changed), (new.moment, new.comes, new.its, new.changed)
    return this == that and old.state.changed == new.state.changed
