"""Source text, and where in it something stands."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Source:
    """One policy file: its path relative to the policy's folder, and its text."""

    path: str
    text: str = field(repr=False)
    _lines: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_lines", tuple(self.text.split("\n")))

    def line(self, number: int) -> str:
        """The text of a line, from 1, without its end; empty past the last one."""
        return self._lines[number - 1].rstrip("\r") if 0 < number <= len(self._lines) else ""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of a file. Lines and columns count from 1; `end` is just past the last character."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"

    def to(self, other: "Span") -> "Span":
        """The stretch from the start of this one to the end of the other."""
        return Span(self.path, self.line, self.column, other.end_line, other.end_column)
