"""The command `report`: the matrix from citation to verdict of one policy, as a page."""

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path

import click

from charter.dsl.load import Loaded
from charter.dsl.values import Misfit
from charter.verification.output_files import reserve, write
from charter.verification.prove.prove import Settings
from charter.verification.prove.verdicts import Result
from charter.verification.show.commands import CACHE, NO_CACHE, remembered, verified
from charter.verification.show.report import exit_code
from charter.verification.show.traceability import certificate_of, traceability
from charter.verification.show.traceability_pages import to_html, to_markdown
from charter.verification.show.verified import results_of
from charter.verification.usage import Seconds, files_of, policies
from charter.verification.workers import Limits

_READ = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("report")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="The file; else it is printed.")
@click.option("--markdown", is_flag=True, help="Markdown instead of HTML, as for a FILE.md.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="The date of the report; else today's, in UTC.")
@click.option("--verified", "verdicts", type=_READ, help="What `verify --json` wrote, instead of proving anew.")
@click.option("--certificate", type=_READ, help="The certificate of the policy: it is checked.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 64), help="How many proofs at a time.")
@click.option("--seconds", default=300.0, show_default=True, type=Seconds(1), help="When one proof is given up.")
@CACHE
@NO_CACHE
@click.pass_context
def report_command(
    ctx: click.Context,
    path: Path,
    output: Path | None,
    markdown: bool,
    day: datetime | None,
    verdicts: Path | None,
    certificate: Path | None,
    jobs: int,
    seconds: float,
    cache: Path | None,
    no_cache: bool,
) -> None:
    """What the policy at PATH cites and requires, which rules do it and what is proved of it, for its signer.

    Exit codes: as those of `verify`.
    """
    found = policies((path,))
    ((_, loaded),) = found
    reserve(output, read=[*files_of(found), *(file for file in (verdicts, certificate) if file is not None)])
    try:
        held = None if certificate is None else certificate_of(loaded.program, certificate)
        if verdicts is None:
            hints = None if no_cache else remembered(cache)
            settings = Settings(limits=Limits(jobs=jobs, seconds=seconds), cache=hints)
            results, source = verified(loaded, settings, show=lambda *_: None), "proved for this report"
        else:
            results, source = _read(loaded, verdicts)
    except Misfit as misfit:
        raise click.UsageError(str(misfit)) from misfit
    on: date = day.date() if day else datetime.now(UTC).date()
    matrix = traceability(str(path), loaded, results, day=on, source=source, certificate=held)
    markdown = markdown or (output is not None and output.suffix == ".md")
    page = to_markdown(matrix) if markdown else to_html(matrix)
    if output is None:
        click.echo(page, nl=False)
    else:
        write(output, page)
    ctx.exit(exit_code(results))


def _read(loaded: Loaded, file: Path) -> tuple[list[Result], str]:
    """The results in a file, and where they come from; counterexamples are replayed, proofs taken as they are said."""
    data = file.read_bytes()
    try:
        results = results_of(loaded.program, json.loads(data))
    except Misfit as misfit:
        raise Misfit(f"{file}: {misfit}") from misfit
    except (ValueError, RecursionError) as error:
        raise Misfit(f"{file} is no JSON: {error}") from error
    return results, f"read from {file}, sha256 {hashlib.sha256(data).hexdigest()}; proofs were not checked again"
