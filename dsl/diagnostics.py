"""What a policy author is told about a mistake."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, StrEnum

from charter.dsl.source import Source, Span

MAX_COLUMNS = 140  # of a source line as it is shown


class Severity(StrEnum):
    """An error keeps the policy from running; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Code(Enum):
    """The stable codes, each with its title. `explain.py` has a page for each."""

    SYNTAX = "CH001", "this is not how a clause is written"
    CHARACTER = "CH002", "a character that policies do not use"
    FILE = "CH003", "a file that cannot be read as a policy"
    NESTING = "CH004", "nested too deep"
    IMPORT = "CH005", "an import that cannot be followed"
    DUPLICATE = "CH010", "two things of one name"
    UNKNOWN_NAME = "CH011", "a name that nothing has"
    RESERVED = "CH012", "a word that cannot be a name"
    WRONG_KIND = "CH013", "a name of the wrong kind of thing"
    HEADER = "CH014", "the policy clause is missing or incomplete"
    TYPE = "CH020", "values of different types"
    MAYBE_UNKNOWN = "CH021", "a value that may be unknown"
    RANGE = "CH022", "a value or bound out of range"
    OVERFLOW = "CH023", "arithmetic that may leave 64 bits"
    ARGUMENTS = "CH024", "arguments or fields that do not match the declaration"
    TEXT = "CH025", "a text whose slots or languages do not match"
    CYCLE = "CH030", "rules that wait for each other"
    OVERRIDES = "CH031", "an override that can do nothing"
    FIELD = "CH033", "an event without this field"
    RECURSION = "CH034", "a definition in terms of itself"
    CHAIN = "CH035", "agents that cannot answer for each other"
    AFTER_END = "CH036", "an act after the end"
    UNHANDLED = "CH040", "a failure that no rule handles"
    REQUIREMENT = "CH041", "a requirement that cannot be read this way"
    TEST = "CH042", "a test step that cannot be played"
    ENDLESS = "CH043", "rules that go on without end"
    UNUSED = "CH050", "something declared and never used"

    @property
    def number(self) -> str:
        """The code as printed: CH001."""
        return self.value[0]

    @property
    def title(self) -> str:
        """What kind of mistake it is."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that matters, with a sentence of its own."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake: a lower-case sentence with the author's words in backticks, where it is, and what to type."""

    code: Code
    message: str
    span: Span
    help: str | None = None
    related: tuple[Related, ...] = ()
    severity: Severity = Severity.ERROR


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A help line naming the closest known word, or None where none is close."""
    close = get_close_matches(word, sorted(set(known)), n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else None


def render(diagnostic: Diagnostic, sources: Iterable[Source]) -> str:
    """The diagnostic with its source lines and carets, as a terminal shows it."""
    by_path = {source.path: source for source in sources}
    at = diagnostic.span
    parts = [
        f"{diagnostic.severity}[{diagnostic.code.number}]: {diagnostic.message}",
        f"  --> {at.path}:{at.line}:{at.column}",
        *_excerpt(at, by_path),
    ]
    for related in diagnostic.related:
        parts.append(f"  note: {related.message}")
        parts.append(f"  --> {related.span.path}:{related.span.line}:{related.span.column}")
        parts.extend(_excerpt(related.span, by_path))
    if diagnostic.help:
        parts.append(f"  help: {diagnostic.help}")
    return "\n".join(parts)


def _excerpt(span: Span, sources: dict[str, Source]) -> list[str]:
    source = sources.get(span.path)
    if source is None:
        return []
    line = source.line(span.line)
    last = span.end_column if span.end_line == span.line else len(line) + 1
    start, carets = span.column - 1, max(1, last - span.column)
    if len(line) > MAX_COLUMNS:  # a window of it, with the start of the span
        cut = max(0, start - MAX_COLUMNS // 2)
        dots = "…" if cut else ""
        line = dots + line[cut : cut + MAX_COLUMNS] + ("…" if cut + MAX_COLUMNS < len(line) else "")
        start += len(dots) - cut
        carets = max(1, min(carets, len(line) - start))
    pad = "".join("\t" if c == "\t" else " " for c in line[:start])
    gutter = len(str(span.line))
    return [f"{' ' * gutter} |", f"{span.line} | {_shown(line)}", f"{' ' * gutter} | {pad}{'^' * carets}"]


def _shown(line: str) -> str:
    """The line, with a sign for each character that a terminal would not show or would obey."""
    return "".join(c if c.isprintable() or c == "\t" else "�" for c in line)
