"""The command of the prover: `verify`. It is mounted by the command line."""

import json
import sys
from pathlib import Path

import click

from charter.dsl.diagnostics import render
from charter.dsl.load import Loaded, Rejected, load
from charter.dsl.values import Json
from charter.verification.certificate.file import Unproved, to_text
from charter.verification.invariants import certified
from charter.verification.machine import goals_of
from charter.verification.prove import Settings, prove
from charter.verification.report import exit_code, summary, text, to_json_report
from charter.verification.verdicts import Result
from charter.verification.workers import Limits

WRONG = 2
_COLOURS = {"proved": "green", "refuted": "red", "vacuous": "yellow", "unknown": "yellow"}
_BOLD = ("refuted", "vacuous", "event")


@click.command("verify")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 64), help="How many proofs at a time.")
@click.option(
    "--seconds", default=300.0, show_default=True, type=click.FloatRange(1), help="When one proof is given up."
)
@click.option("--certificate", type=click.Path(path_type=Path), help="Write what was proved of the one policy here.")
def verify_command(paths: tuple[Path, ...], as_json: bool, jobs: int, seconds: float, certificate: Path | None) -> None:
    """Proves every requirement of the policies at PATHS for all conversations, or shows one that breaks it.

    Exit codes: 0 all is proved, 1 something is refuted or vacuous, 2 a policy is wrong, 3 something is not decided.
    """
    if certificate is not None and len(paths) != 1:
        raise click.UsageError("a certificate is of one policy")
    settings = Settings(limits=Limits(jobs=jobs, seconds=seconds))
    codes: list[int] = []
    reports: list[Json] = []
    for path, loaded in policies(paths):
        results = _verified(loaded, settings, quiet=as_json)
        codes.append(exit_code(results))
        if certificate is not None:
            _certify(certificate, loaded, results)
        if as_json:
            reports.append(to_json_report(str(path), loaded, results))
        else:
            click.echo(summary(str(path), results))
    if as_json:
        click.echo(json.dumps(reports, indent=2, ensure_ascii=False))
    sys.exit(1 if 1 in codes else max(codes))


def echo(style: str, line: str) -> None:
    """Prints a line of a report in its style."""
    click.secho(line, fg=_COLOURS.get(style), bold=style in _BOLD, dim=style == "quiet")


def _certify(file: Path, loaded: Loaded, results: list[Result]) -> None:
    """The certificate is written, or an old one that no longer holds is gone."""
    found = certified(loaded.program, results)
    try:
        if isinstance(found, Unproved):
            file.unlink(missing_ok=True)
            click.echo(f"no certificate: {len(found.names)} not proved", err=True)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(to_text(found), encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror}") from error


def policies(paths: tuple[Path, ...]) -> list[tuple[Path, Loaded]]:
    """The policies; where one does not load, all that is wrong is said, and nothing is proved."""
    found = [(path, load(path)) for path in paths]
    rejected = [each for _, each in found if isinstance(each, Rejected)]
    for each in rejected:
        for diagnostic in each.diagnostics:
            click.echo(render(diagnostic, each.sources) + "\n", err=True)
    if rejected:
        sys.exit(WRONG)
    return [(path, each) for path, each in found if isinstance(each, Loaded)]


def _verified(loaded: Loaded, settings: Settings, *, quiet: bool) -> list[Result]:
    """The results in the order of the policy; as text, each is shown as soon as it is known."""
    order = [goal.name for goal in goals_of(loaded.program)]
    found: dict[str, Result] = {}
    shown = 0
    for result in prove(loaded.program, settings):
        found[result.name] = result
        while not quiet and shown < len(order) and order[shown] in found:
            for style, line in text(loaded, found[order[shown]]):
                echo(style, line)
            shown += 1
    return [found[name] for name in order]
