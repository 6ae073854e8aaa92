"""Alarms: what is due later, in this process. What must not be lost with it stands in the store."""

import asyncio
from collections.abc import Callable

from charter.engine.conversation.clock import Clock
from charter.engine.conversation.errands import Errand
from charter.engine.store import ConversationId, IdempotencyKey


class Alarms:
    """Rings once for each errand when it is due, by this clock."""

    def __init__(self, clock: Clock, ring: Callable[[ConversationId, IdempotencyKey], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._set: dict[IdempotencyKey, asyncio.TimerHandle] = {}

    def set(self, conversation: ConversationId, errand: Errand) -> None:
        """The errand rings when it is due, if it has not been set before."""
        self.set_due(conversation, errand.key, errand.due)

    def set_due(self, conversation: ConversationId, key: IdempotencyKey, due: int) -> None:
        """The errand of this key rings at this time, in milliseconds since the epoch, if it has not been set before."""
        if key not in self._set:
            self.set_in(conversation, key, (due - self._clock.now()) / 1000)

    def set_in(self, conversation: ConversationId, key: IdempotencyKey, seconds: float) -> None:
        """The errand of this key rings in so many seconds, and not before."""
        self.clear(key)
        loop = asyncio.get_running_loop()
        self._set[key] = loop.call_later(max(0.0, seconds), self._rings, conversation, key)

    def clear(self, key: IdempotencyKey) -> None:
        """The errand of this key rings no more."""
        if (handle := self._set.pop(key, None)) is not None:
            handle.cancel()

    def close(self) -> None:
        """Nothing rings any more."""
        for handle in self._set.values():
            handle.cancel()
        self._set.clear()

    def _rings(self, conversation: ConversationId, key: IdempotencyKey) -> None:
        del self._set[key]
        self._ring(conversation, key)
