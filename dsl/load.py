"""From a path to a program: reads the files of a policy, follows its imports and runs the passes."""

from dataclasses import dataclass
from pathlib import Path

from charter.dsl.diagnostics import Code, Diagnostic, Severity, did_you_mean, render
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.names import Names
from charter.dsl.lower.passes import lower
from charter.dsl.program import Program
from charter.dsl.scenarios import Scenario, scenarios_of
from charter.dsl.source import Source, Span
from charter.dsl.syntax import tree as s
from charter.dsl.syntax.parse import Parsed, parse

MAIN = "policy.charter"
MAX_BYTES = 2_000_000
MAX_FILES = 200

_FOLLOWS = frozenset(  # what may only follow from a clause that could not be read
    {Code.UNKNOWN_NAME, Code.WRONG_KIND, Code.HEADER, Code.OVERRIDES, Code.UNHANDLED, Code.UNUSED}
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy that can run, with its sources, its syntax and what the author was warned of."""

    program: Program
    names: Names
    scenarios: tuple[Scenario, ...]
    files: tuple[Parsed, ...]
    sources: tuple[Source, ...]
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A policy that cannot run, and why."""

    sources: tuple[Source, ...]
    diagnostics: tuple[Diagnostic, ...]

    def __str__(self) -> str:
        return "\n\n".join(render(diagnostic, self.sources) for diagnostic in self.diagnostics)


def load(path: Path) -> Loaded | Rejected:
    """Reads the policy at `path`: a file, or a folder with `policy.charter`. It never raises for what is in it."""
    main = path / MAIN if path.is_dir() else path
    findings = Findings()
    files = _Files(main.parent.resolve(), findings)
    files.follow(main.name, Span(main.name, 1, 1, 1, 1), ())
    return _compiled(files.parsed, files.sources, findings)


def load_text(text: str, path: str = MAIN) -> Loaded | Rejected:
    """Reads a policy of one file from its text."""
    findings = Findings()
    source = Source(path, text)
    parsed = parse(source)
    for diagnostic in parsed.diagnostics:
        findings.add(diagnostic)
    for clause in parsed.document.clauses:
        if isinstance(clause, s.Import):
            findings.error(Code.IMPORT, "a policy that is no file cannot import", clause.span)
    return _compiled([parsed], [source], findings)


def read_file(file: Path) -> tuple[Source, Parsed] | Rejected:
    """One policy file by itself, whatever it imports."""
    findings = Findings()
    source = _Files(file.parent.resolve(), findings).read(file.name, Span(file.name, 1, 1, 1, 1))
    if source is None:
        return Rejected((), findings.all)
    parsed = parse(source)
    return Rejected((source,), parsed.diagnostics) if parsed.diagnostics else (source, parsed)


def _compiled(parsed: list[Parsed], sources: list[Source], findings: Findings) -> Loaded | Rejected:
    unread = findings.failed
    further = Findings()
    names, program = lower([p.document for p in parsed], sources, further)
    scenarios = scenarios_of(names, program, further, names.tests)
    for diagnostic in further.all:
        if not unread or diagnostic.code not in _FOLLOWS:
            findings.add(diagnostic)
    if findings.failed:
        errors = tuple(d for d in findings.all if d.severity is Severity.ERROR)
        return Rejected(tuple(sources), errors)
    return Loaded(program, names, scenarios, tuple(parsed), tuple(sources), findings.all)


class _Files:
    """The files of a policy, in order of import: each once, what it imports before it goes on."""

    def __init__(self, folder: Path, findings: Findings) -> None:
        self._folder = folder
        self._findings = findings
        self._seen: set[str] = set()
        self.parsed: list[Parsed] = []
        self.sources: list[Source] = []

    def follow(self, name: str, span: Span, importing: tuple[str, ...]) -> None:
        """Reads one file and what it imports; `span` is where it is asked for."""
        if name in importing:
            chain = " imports ".join(f"`{file}`" for file in (*importing[importing.index(name) :], name))
            self._findings.error(Code.IMPORT, f"files import each other: {chain}", span)
            return
        if name in self._seen:
            return
        self._seen.add(name)
        if len(self._seen) > MAX_FILES:
            self._findings.error(Code.IMPORT, f"a policy has at most {MAX_FILES} files", span)
            return
        source = self.read(name, span)
        if source is None:
            return
        parsed = parse(source)
        for diagnostic in parsed.diagnostics:
            self._findings.add(diagnostic)
        self.sources.append(source)
        self.parsed.append(parsed)
        for clause in parsed.document.clauses:
            if isinstance(clause, s.Import):
                target = self._inside(clause.path, name)
                if target is not None:
                    self.follow(target, clause.span, (*importing, name))

    def _inside(self, path: s.String, importer: str) -> str | None:
        """The file's path relative to the policy's folder; one outside it is reported."""
        written = Path(path.text)
        target = (self._folder / Path(importer).parent / written).resolve()
        if written.is_absolute() or not target.is_relative_to(self._folder) or "\\" in path.text:
            message = f"`{path.text}` lies outside the policy's folder"
            help_ = "write `/` between folders" if "\\" in path.text else "move the file into the folder"
            self._findings.error(Code.IMPORT, message, path.span, help_)
            return None
        if target.suffix != ".charter":
            self._findings.error(Code.IMPORT, f"`{path.text}` is no policy file", path.span, "it ends in `.charter`")
            return None
        return target.relative_to(self._folder).as_posix()

    def read(self, name: str, span: Span) -> Source | None:
        """The text of one file; what keeps it from being read is reported."""
        file = self._folder / name
        try:
            with file.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            why = error.strerror or "it cannot be read"
            near = did_you_mean(file.name, (path.name for path in file.parent.glob("*.charter")))
            self._findings.error(Code.FILE, f"`{name}` cannot be read: {why.lower()}", span, near)
            return None
        if len(data) > MAX_BYTES:
            self._findings.error(Code.FILE, f"`{name}` is longer than {MAX_BYTES:,} bytes", span)
            return None
        if data.startswith(b"\xef\xbb\xbf"):
            self._findings.error(Code.CHARACTER, f"`{name}` begins with a byte order mark", span, "save it without BOM")
            return None
        try:
            return Source(name, data.decode("utf-8"))
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            message = f"`{name}` is not UTF-8: byte {data[error.start]:#04x} in line {line}"
            self._findings.error(Code.FILE, message, Span(name, line, 1, line, 2), "save it as UTF-8")
            return None
