"""A waiting line: first come, first served, by the moment of joining."""

import asyncio


class Place:
    """A place in the line, from joining to leaving."""

    def __init__(self, before: asyncio.Future[None] | None) -> None:
        self._before = before
        self.left: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def first(self) -> bool:
        """Nobody is before."""
        return self._before is None or self._before.done()

    async def front(self) -> None:
        """Everybody before has left."""
        if self._before is not None:
            await asyncio.shield(self._before)

    def leave(self) -> None:
        """Whoever is behind is next; where somebody is before still, once that one has left."""
        if self._before is None or self._before.done():
            self._leave()
        else:
            self._before.add_done_callback(self._leave)

    def _leave(self, _: object = None) -> None:
        if not self.left.done():
            self.left.set_result(None)


class Line:
    """Who waits for whom."""

    def __init__(self) -> None:
        self._last: Place | None = None

    def join(self) -> Place:
        """The last place, from now on."""
        before = self._last.left if self._last is not None and not self._last.left.done() else None
        self._last = Place(before)
        return self._last
