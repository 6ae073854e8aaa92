"""The time of day, as an argument."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time that is put on record."""

    def now(self) -> int:
        """Milliseconds since the epoch."""


class SystemClock:
    """The clock of the machine. It may be set back; who records its times keeps them from decreasing."""

    def now(self) -> int:
        """See `Clock`."""
        return time.time_ns() // 1_000_000
