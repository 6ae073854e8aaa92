"""A circuit breaker: an agent that failed several times in a row is not asked for a while."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """After so many failures in a row, nothing is asked for so many seconds; then one question tries it."""

    failures: int
    seconds: float


class Breaker:
    """Counts the failures of one agent, by a clock in seconds."""

    def __init__(self, rule: BreakerRule, clock: Callable[[], float]) -> None:
        self._rule = rule
        self._clock = clock
        self._failures = 0
        self._closed_at = 0.0

    def admits(self) -> bool:
        """Whether a question may go to the agent; the first after the pause may, and the next ones wait for it."""
        if self._failures < self._rule.failures:
            return True
        if self._clock() < self._closed_at:
            return False
        self._closed_at = self._clock() + self._rule.seconds
        return True

    def tell(self, *, answered: bool) -> None:
        """What became of a question that went to the agent."""
        self._failures = 0 if answered else self._failures + 1
        if self._failures >= self._rule.failures:
            self._closed_at = self._clock() + self._rule.seconds
