"""The diagnostics of a run of the passes: each pass adds what it finds and goes on."""

from collections.abc import Iterable

from charter.dsl.diagnostics import Code, Diagnostic, Related, Severity
from charter.dsl.source import Span


class Findings:
    """A list of diagnostics that is only ever added to; the same mistake at the same place counts once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Code, Span, str], Diagnostic] = {}

    def error(
        self, code: Code, message: str, span: Span, help: str | None = None, related: Iterable[Related] = ()
    ) -> None:
        """Adds a mistake that keeps the policy from running."""
        self.add(Diagnostic(code, message, span, help, tuple(related)))

    def warning(self, code: Code, message: str, span: Span, help: str | None = None) -> None:
        """Adds something that the author may not have meant."""
        self.add(Diagnostic(code, message, span, help, (), Severity.WARNING))

    def add(self, diagnostic: Diagnostic) -> None:
        """Adds a diagnostic."""
        self._found.setdefault((diagnostic.code, diagnostic.span, diagnostic.message), diagnostic)

    @property
    def all(self) -> tuple[Diagnostic, ...]:
        """All diagnostics, by file and place; errors before warnings at the same place."""
        return tuple(sorted(self._found.values(), key=lambda d: (d.span, d.severity is Severity.WARNING)))

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(d.severity is Severity.ERROR for d in self._found.values())
