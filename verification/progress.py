"""A line on a terminal that says how far the prover is, and is gone when it is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

_CLEAR = "\r\x1b[2K"


@contextmanager
def progress(stream: TextIO, total: int) -> Iterator[Callable[[int | None], None]]:
    """Shows `proving 7 of 24 …` where the stream is a terminal. None takes the line away, for other output."""

    def show(number: int | None) -> None:
        if stream.isatty():
            stream.write(_CLEAR if number is None else f"{_CLEAR}proving {number} of {total} …")
            stream.flush()

    try:
        yield show
    finally:
        show(None)
