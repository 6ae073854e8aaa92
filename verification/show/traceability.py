"""Who asks for what, which rules do it, and what is proved of it: the matrix that a compliance officer signs."""

import hashlib
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from charter.dsl import program as p
from charter.dsl.load import Loaded
from charter.dsl.lower.stratify import reads_in
from charter.dsl.program import Program, Requirement
from charter.dsl.syntax import tree as s
from charter.dsl.syntax.phrases import expr_text, params_text
from charter.dsl.syntax.wrap import form_lines
from charter.dsl.types import Type, spelled
from charter.dsl.values import Misfit
from charter.verification.certificate.check import Invalid, check
from charter.verification.prove.verdicts import Proved, Result
from charter.verification.show.report import form_of, text, word

WIDTH = 80


@dataclass(frozen=True, slots=True)
class Row:
    """A requirement, or what holds for every policy. `rules`: those that `touching` finds."""

    name: str
    text: str
    cites: str | None
    place: str | None
    written: str | None
    rules: tuple[tuple[str, str], ...]
    verdict: str
    seen: int  # proved: a conversation of so many events in which it matters; 0 where there need be none
    shown: str | None  # not proved: what a terminal shows
    certified: bool


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of the policy that was checked and holds: where it is, and its digest."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Traceability:
    """What is known of a policy on a day. `cited`: the rows of the policy by what they cite; `built_in`: the others."""

    policy: str
    path: str
    digest: str
    files: tuple[str, ...]
    languages: tuple[str, ...]
    charter: str
    day: date
    source: str
    counts: tuple[tuple[str, int], ...]
    cited: tuple[tuple[str | None, tuple[Row, ...]], ...]
    built_in: tuple[Row, ...]
    assumed: tuple[tuple[str, str], ...]
    agents: tuple[tuple[str, str], ...]
    tools: tuple[tuple[str, str], ...]
    certificate: Certificate | None

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, in the order of the matrix."""
        return (*(row for _, rows in self.cited for row in rows), *self.built_in)

    @property
    def open(self) -> int:
        """How many rows are not proved."""
        return sum(row.shown is not None for row in self.rows)


def traceability(
    path: str, loaded: Loaded, results: list[Result], *, day: date, source: str, certificate: Certificate | None = None
) -> Traceability:
    """The matrix of a policy. `source`: where the verdicts come from, for people."""
    program = loaded.program
    rows = [_row(loaded, result, certificate) for result in results]
    words = [row.verdict for row in rows]
    written = [row for row in rows if row.place is not None]
    order = {cites: i for i, cites in reversed(list(enumerate(row.cites for row in written)))}
    written.sort(key=lambda row: (row.cites is None, order[row.cites]))
    return Traceability(
        policy=program.name,
        path=path,
        digest=program.digest,
        files=tuple(source.path for source in loaded.sources),
        languages=program.languages,
        charter=version("charter"),
        day=day,
        source=source,
        counts=tuple(
            (each, words.count(each)) for each in ("proved", "refuted", "vacuous", "unknown") if each in words
        ),
        cited=tuple((cites, tuple(alike)) for cites, alike in groupby(written, key=lambda row: row.cites)),
        built_in=tuple(row for row in rows if row.place is None),
        assumed=tuple(
            (f"{a.tool.text} returns {expr_text(a.condition)}", str(a.span)) for a in loaded.names.assumptions
        ),
        agents=tuple((name, _fields(agent.fields)) for name, agent in program.agents.items()),
        tools=tuple((name, _does(tool)) for name, tool in program.tools.items()),
        certificate=certificate,
    )


def certificate_of(program: Program, file: Path) -> Certificate:
    """The certificate in a file, checked; raises `Misfit` where it does not show that the policy holds."""
    data = file.read_bytes()
    found = check(program, data)
    if isinstance(found, Invalid):
        raise Misfit(f"{file} does not certify this policy: {'; '.join(str(flaw) for flaw in found.flaws[:3])}")
    return Certificate(str(file), hashlib.sha256(data).hexdigest())


def touching(program: Program, requirement: Requirement) -> tuple[str, ...]:
    """The rules that do what a requirement watches, or write or ask for what it reads, in the order of the program."""
    acts: set[tuple[p.ActKind, str]] = set()
    facts: set[p.Variable] = set()
    for watch in requirement.watches:
        match watch.moment:
            case p.Leaving(kind, names):
                acts |= {(kind, name) for name in names}
            case p.Changed(variable):
                facts.add(variable)
            case p.Arrival(kinds):
                acts |= {act for kind in kinds for act in _answered(kind.split()[0])}
        for expr in (watch.when, watch.broken, *(value for _, value in watch.updates)):
            facts |= {read.variable for read in reads_in(expr)}
    acts |= {act for fact in facts for act in _answered(fact.split(".")[0])}
    clauses = [clause for strata in program.strata.values() for stratum in strata for clause in stratum]
    found = {
        clause.rule
        for clause in clauses
        if any((site.kind, site.name) in acts for site in clause.acts)
        or any(w.variable in facts for w in clause.writes)
    }
    return tuple(rule for rule in program.rules if rule in found)


def _answered(name: str) -> tuple[tuple[p.ActKind, str], ...]:
    """The acts that an agent or tool of this name would answer."""
    return (p.ActKind.ASK, name), (p.ActKind.CALL, name)


def _written(loaded: Loaded, form: s.Form) -> str:
    """A form as the policy has it, and below it each define that it means."""
    meant: dict[str, str] = {}
    left: list[object] = [form]
    while left:
        node = left.pop()
        if isinstance(node, tuple):
            left += node
        elif is_dataclass(node):
            left += (getattr(node, field.name) for field in fields(node))
            name = node.name if isinstance(node, s.Ref) else node.name.text if isinstance(node, s.Apply) else ""
            if name in loaded.names.defines and name not in meant:
                define = loaded.names.defines[name]
                params = params_text(define.params) if define.params else ""
                meant[name] = f"where {name}{params} = {expr_text(define.value)}"
                left.append(define.value)
    return "\n".join([*form_lines(form, WIDTH), *meant.values()])


def _row(loaded: Loaded, result: Result, certificate: Certificate | None) -> Row:
    program = loaded.program
    requirement = next((each for each in program.requirements if each.name == result.name), None)
    rules = touching(program, requirement) if requirement is not None else ()
    form = form_of(loaded, result.name)
    proved = isinstance(result.verdict, Proved)
    return Row(
        name=result.name,
        text=result.text,
        cites=result.cites,
        place=str(result.span) if result.span is not None else None,
        written=_written(loaded, form) if form is not None else None,
        rules=tuple((rule, str(program.rules[rule].span)) for rule in rules),
        verdict=word(result.verdict),
        seen=len(result.verdict.witness) if isinstance(result.verdict, Proved) else 0,
        shown=None if proved else "\n".join(line for _, line in text(loaded, result)),
        certified=proved and certificate is not None,
    )


def _fields(fields: tuple[tuple[str, Type], ...]) -> str:
    return ", ".join(f"{name}: {spelled(type_)}" for name, type_ in fields)


def _does(tool: p.Tool) -> str:
    kind = "writes" if tool.writes else "reads"
    return f"{kind}{', may be called again' if tool.idempotent else ''}; returns {_fields(tool.returns) or 'nothing'}"
