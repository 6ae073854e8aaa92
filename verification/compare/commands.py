"""The command `diff`. It is mounted by the command line."""

import json
import sys
from pathlib import Path

import click

from charter.verification.compare.diff import diff
from charter.verification.compare.report import text, to_json_report
from charter.verification.prove.prove import Settings
from charter.verification.show.commands import echo
from charter.verification.usage import policies
from charter.verification.workers import Limits


@click.command("diff")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.option("--steps", default=30_000, show_default=True, type=click.IntRange(0), help="How many steps are tried.")
@click.option("--seed", default=0, show_default=True, type=int, help="The same seed and steps, the same conversations.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 64), help="How many proofs at a time.")
def diff_command(old: Path, new: Path, as_json: bool, steps: int, seed: int, jobs: int) -> None:
    """Compares two versions of a policy: conversations on which they act differently, and what they require.

    Exit codes: 0 proved equivalent, with no requirement lost, weakened or changed; 1 different; 2 a policy is wrong;
    3 not decided.
    """
    (_, before), (_, after) = policies((old, new), twice=True)
    found = diff(before.program, after.program, Settings(limits=Limits(jobs=jobs)), steps=steps, seed=seed)
    if as_json:
        report = to_json_report((str(old), str(new)), before, after, found)
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        for style, line in text(before, after, found):
            echo(style, line)
    sys.exit(found.code)
