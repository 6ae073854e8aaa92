"""The command line. Exit codes: 0 fine, 1 findings, 2 the policy or the usage is wrong, 130 Ctrl-C."""

import errno
import importlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from charter.dsl.diagnostics import Code, Diagnostic, Severity, render
from charter.dsl.explain import explain
from charter.dsl.load import Loaded, Rejected, load, read_file
from charter.dsl.picture.graph import mermaid, svg
from charter.dsl.recording import decide, read_events, step_json
from charter.dsl.rehearse import Rehearsed, rehearse
from charter.dsl.source import Source, Span
from charter.dsl.syntax.format import format_document
from charter.dsl.values import Json, Misfit

FINDINGS, WRONG, INTERRUPTED = 1, 2, 130
LAZY = {  # loaded only when called: they bring the server, the models or the prover along
    "agents": "charter.agents.commands:agents_command",
    "audit": "charter.engine.commands:audit_command",
    "certify": "charter.verification.certify:certify_command",
    "chat": "charter.engine.local.play_commands:chat_command",
    "demo": "charter.engine.local.play_commands:demo_command",
    "diff": "charter.verification.compare.commands:diff_command",
    "fuzz": "charter.fuzz:fuzz_command",
    "mutate": "charter.verification.mutate.commands:mutate_command",
    "play": "charter.engine.local.play_commands:play_command",
    "replay": "charter.engine.commands:replay_command",
    "report": "charter.verification.show.report_commands:report_command",
    "serve": "charter.engine.commands:serve_command",
    "verify": "charter.verification.show.commands:verify_command",
}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PATHS = click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


class _Charter(click.Group):
    """The commands of this module, and those of the layers."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *LAZY])

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in LAZY:
            return super().get_command(ctx, name)
        module, _, attribute = LAZY[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Ctrl-C ends a command as a shell expects it, and output that cannot be written is said to be so."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except OSError as error:
            if error.errno not in _FULL or error.filename is not None:
                raise
            click.echo(f"Error: the output cannot be written: {os.strerror(error.errno or 0).lower()}", err=True)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left of it goes nowhere
            sys.exit(WRONG)


@click.group(cls=_Charter)
@click.version_option(package_name="charter")
def main() -> None:
    """Charter runs contact-centre conversations under a policy that owns every decision."""


@main.command()
@_PATHS
@_JSON
def check(paths: tuple[Path, ...], as_json: bool) -> None:
    """Reports every mistake of the policies at PATHS: files, or folders with `policy.charter`. Warnings exit 1."""
    results = [(path, load(path)) for path in paths]
    if as_json:
        _print_json([_checked_json(path, result) for path, result in results])
    else:
        for path, result in results:
            _print_diagnostics(path, result.diagnostics, result.sources)
            if isinstance(result, Loaded):
                program = result.program
                verdict = _count(len(result.diagnostics), "warning") if result.diagnostics else "fine"
                click.echo(f"{path}: {len(program.rules)} rules, {len(program.requirements)} requirements: {verdict}")
    if any(isinstance(result, Rejected) for _, result in results):
        sys.exit(WRONG)
    sys.exit(FINDINGS if any(result.diagnostics for _, result in results) else 0)


@main.command("explain")
@click.argument("code")
@_JSON
def explain_command(code: str, as_json: bool) -> None:
    """Explains a diagnostic's CODE, such as CH021."""
    text = explain(code.upper())
    if text is None:
        known = ", ".join(c.number for c in Code)
        raise click.UsageError(f"there is no code {code!r}; there are {known}")
    if as_json:
        _print_json({"code": code.upper(), "text": text})
    else:
        click.echo(text)


@main.command()
@_PATHS
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit 1 where something would change.")
@_JSON
def fmt(paths: tuple[Path, ...], only_check: bool, as_json: bool) -> None:
    """Lays out the policies at PATHS, with all their files, in the one way."""
    changed: list[str] = []
    for file in (file for path in paths for file in _files_of(path)):
        read = read_file(file)
        if isinstance(read, Rejected):
            _print_diagnostics(file, read.diagnostics, read.sources)
            sys.exit(WRONG)
        formatted = format_document(read[1])
        assert isinstance(formatted, str)  # what can be read can be laid out
        if formatted != read[0].text:
            changed.append(str(file))
            if not only_check:
                file.write_text(formatted, encoding="utf-8")
    if as_json:
        _print_json({"changed": list[Json](changed), "written": not only_check})
    else:
        for name in changed:
            click.echo(f"{'would lay out' if only_check else 'laid out'} {name}")
    sys.exit(FINDINGS if only_check and changed else 0)


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--mermaid", "as_mermaid", is_flag=True, help="Mermaid text instead of SVG.")
@_JSON
def graph(path: Path, as_mermaid: bool, as_json: bool) -> None:
    """Draws the rules, facts and strata of the policy at PATH."""
    program = _loaded(path).program
    if as_json:
        _print_json({"svg": svg(program), "mermaid": mermaid(program)})
    else:
        click.echo(mermaid(program) if as_mermaid else svg(program))


@main.command("test")
@_PATHS
@_JSON
def test_command(paths: tuple[Path, ...], as_json: bool) -> None:
    """Plays the `test` blocks of the policies at PATHS, and says which rules they reach."""
    failed = False
    found: list[Json] = []
    for path in paths:
        loaded = _loaded(path)
        rehearsed = [rehearse(loaded.program, scenario) for scenario in loaded.scenarios]
        failed = failed or any(r.failures for r in rehearsed)
        if as_json:
            found.append({"path": str(path), **_tested_json(loaded, rehearsed)})
        else:
            _print_tested(path, loaded, rehearsed)
    if as_json:
        _print_json(found)
    sys.exit(FINDINGS if failed else 0)


@main.command("run")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--events", "recording", required=True, type=click.File(encoding="utf-8"), help="JSON lines; - is stdin.")
@_JSON
def run_command(path: Path, recording: Iterable[str], as_json: bool) -> None:
    """Decides the recorded events under the policy at PATH, without a server."""
    loaded = _loaded(path)
    try:
        events = list(read_events(loaded.program, loaded.names, recording))
    except Misfit as misfit:
        raise click.UsageError(str(misfit)) from None
    stopped = False
    for number, line in enumerate(decide(loaded.program, events), 1):
        stopped = stopped or bool(line["broken"])
        click.echo(json.dumps(line, ensure_ascii=False) if as_json else _decided_text(number, line))
    sys.exit(FINDINGS if stopped else 0)


# --- reading ---------------------------------------------------------------------------------------------------------


def _files_of(path: Path) -> list[Path]:
    """The policy files at a path: itself, or all in the folder and below."""
    return sorted(path.rglob("*.charter")) if path.is_dir() else [path]


def _loaded(path: Path) -> Loaded:
    result = load(path)
    if isinstance(result, Rejected):
        _print_diagnostics(path, result.diagnostics, result.sources)
        sys.exit(WRONG)
    return result


# --- printing --------------------------------------------------------------------------------------------------------


def _print_json(value: Json) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _print_diagnostics(path: Path, diagnostics: Iterable[Diagnostic], sources: Iterable[Source]) -> None:
    found = list(diagnostics)
    for diagnostic in found:
        click.echo(render(diagnostic, sources) + "\n", err=True)
    errors = sum(d.severity is Severity.ERROR for d in found)
    if errors:
        codes = sorted({d.code.number for d in found if d.severity is Severity.ERROR})
        click.echo(f"{path}: {_count(errors, 'mistake')}; `charter explain {codes[0]}` says more", err=True)


def _checked_json(path: Path, result: Loaded | Rejected) -> Json:
    return {
        "path": str(path),
        "fine": isinstance(result, Loaded),
        "diagnostics": [_diagnostic_json(d) for d in result.diagnostics],
    }


def _diagnostic_json(diagnostic: Diagnostic) -> Json:
    return {
        "code": diagnostic.code.number,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        **_span_json(diagnostic.span),
        "help": diagnostic.help,
        "related": [{"message": r.message, **_span_json(r.span)} for r in diagnostic.related],
    }


def _span_json(span: Span) -> dict[str, Json]:
    return {
        "file": span.path,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _tested_json(loaded: Loaded, rehearsed: list[Rehearsed]) -> dict[str, Json]:
    rules, branches = _reached(loaded, rehearsed)
    tests: list[Json] = [
        {
            "title": r.scenario.title,
            "passed": not r.failures,
            "failures": [{"message": f.message, **_span_json(f.span)} for f in r.failures],
            "steps": [step_json(loaded.program, step) for step in r.steps],
        }
        for r in rehearsed
    ]
    unreached: list[Json] = [rule for rule in loaded.program.rules if rule not in rules]
    all_branches = _branches(loaded)
    return {
        "tests": tests,
        "rules": {"reached": len(rules), "all": len(loaded.program.rules), "unreached": unreached},
        "branches": {"reached": len(branches), "all": len(all_branches)},
    }


def _print_tested(path: Path, loaded: Loaded, rehearsed: list[Rehearsed]) -> None:
    for r in rehearsed:
        click.echo(f"{'failed' if r.failures else 'passed'}  {r.scenario.title}")
        for failure in r.failures:
            click.echo(f"  {failure.span}: {failure.message}")
    rules, branches = _reached(loaded, rehearsed)
    program, all_branches = loaded.program, _branches(loaded)
    click.echo(
        f"{path}: {_count(len(rehearsed), 'test')}, {sum(bool(r.failures) for r in rehearsed)} failed; "
        f"rules reached {len(rules)} of {len(program.rules)}, branches {len(branches)} of {len(all_branches)}"
    )
    for rule, info in program.rules.items():
        missing = sorted(kind for name, kind in all_branches - branches if name == rule)
        if missing:
            click.echo(f"  not reached: {info.span} rule {rule} on {', '.join(missing)}")


def _branches(loaded: Loaded) -> set[tuple[str, str]]:
    """A branch is a rule on one kind of event."""
    strata = loaded.program.strata.items()
    return {(clause.rule, kind) for kind, found in strata for stratum in found for clause in stratum}


def _reached(loaded: Loaded, rehearsed: list[Rehearsed]) -> tuple[set[str], set[tuple[str, str]]]:
    branches = {(rule, str(step.event.kind)) for r in rehearsed for step in r.steps for rule in step.outcome.fired}
    return {rule for rule, _ in branches}, branches & _branches(loaded)


def _decided_text(number: int, line: dict[str, Json]) -> str:
    parts = [f"{number:>4}  " + _acts_text(line)]
    implied = line.get("implied", [])
    for step in implied if isinstance(implied, list) else []:
        assert isinstance(step, dict)
        event = step["event"]
        assert isinstance(event, dict)
        parts.append(f"      {event['kind']}: {_acts_text(step)}")
    return "\n".join(parts)


def _acts_text(line: dict[str, Json]) -> str:
    if "dropped" in line:
        return f"dropped: {line['dropped']}"
    if line.get("waits"):
        return "waits for the open turn to close"
    acts, broken, fired = line.get("acts"), line.get("broken"), line.get("fired")
    done = [f"{a['act']} {a['name']}".strip() for a in acts if isinstance(a, dict)] if isinstance(acts, list) else []
    text = ", ".join(done) or ("nothing" if "attempted" not in line else "attempted")
    if isinstance(fired, list) and fired:
        text += "  [" + ", ".join(f"{f['rule']} {f['file']}:{f['line']}" for f in fired if isinstance(f, dict)) + "]"
    if isinstance(broken, list) and broken:
        names = [f"{b['requirement']} ({b['detail']})" for b in broken if isinstance(b, dict)]
        text += "  broken: " + "; ".join(names)
    return text


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")
