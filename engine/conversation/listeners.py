"""Who listens to which conversation in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from charter.engine.conversation.ports import Told
from charter.engine.store import ConversationId

Hear: TypeAlias = Callable[[Told], None]


class Listeners:
    """Those who are told every step as soon as it is on record."""

    def __init__(self) -> None:
        self._hearing: dict[ConversationId, list[Hear]] = {}

    @contextmanager
    def listen(self, conversation: ConversationId, hear: Hear) -> Iterator[None]:
        """From here on `hear` is told every step of the conversation that this process decides."""
        self._hearing.setdefault(conversation, []).append(hear)
        try:
            yield
        finally:
            self._hearing[conversation].remove(hear)
            if not self._hearing[conversation]:
                del self._hearing[conversation]

    def tell(self, conversation: ConversationId, told: Told) -> None:
        """Whoever listens is told."""
        for hear in self._hearing.get(conversation, ()):
            hear(told)
