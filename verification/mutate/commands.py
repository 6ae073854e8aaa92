"""The command `mutate`. It is mounted by the command line."""

import json
import sys
from pathlib import Path

import click

from charter.dsl.load import Loaded
from charter.dsl.values import Json
from charter.verification.explain.shared_defines import shared_defines
from charter.verification.fuzz.pieces import PIECE
from charter.verification.mutate.mutation import Effort, Fate, Judged, MutantFailed, judged, sampled, summary
from charter.verification.prove.prove import Settings
from charter.verification.show.commands import echo
from charter.verification.show.report import place_json
from charter.verification.usage import Seconds, policies
from charter.verification.workers import Limits

_STYLES = {Fate.KILLED: "quiet", Fate.EQUIVALENT: "quiet", Fate.SURVIVING: "vacuous", Fate.UNKNOWN: "unknown"}


@click.command("mutate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--sample", type=click.IntRange(1), help="Only so many mutants of each policy.")
@click.option("--seed", default=0, show_default=True, type=int, help="The same seed, the same sample.")
@click.option("--steps", default=PIECE, show_default=True, type=click.IntRange(0), help="Steps of fuzzing each mutant.")
@click.option("--only-fuzzed", is_flag=True, help="Prove nothing of what fuzzing does not break.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 64), help="How many mutants at a time.")
@click.option("--seconds", default=60.0, show_default=True, type=Seconds(1), help="When one proof is given up.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def mutate_command(
    paths: tuple[Path, ...],
    sample: int | None,
    seed: int,
    steps: int,
    only_fuzzed: bool,
    jobs: int,
    seconds: float,
    as_json: bool,
) -> None:
    """Leaves one thing after the other out of the policies at PATHS, and says of which nobody would notice.

    Exit codes: 0 whatever fuzzing breaks is refuted, 1 something of it is not, or a mutant cannot be judged, 2 a policy
    is wrong. What survives is for people to read.
    """
    effort = Effort(steps, Settings(limits=Limits(jobs=jobs, seconds=seconds)), only_fuzzed)
    fates: set[Fate] = set()
    reports: list[Json] = []
    for path, loaded in policies(paths):
        found: list[Judged] = []
        try:
            for each in judged(loaded, sampled(loaded, sample, seed), effort):
                found.append(each)
                if not as_json:
                    echo(_STYLES.get(each.fate, "refuted"), f"{each.fate:10} {each.mutant}  ({each.by})")
        except MutantFailed as failed:
            raise click.ClickException(str(failed)) from failed
        fates |= {each.fate for each in found}
        reports.append(_report(str(path), loaded, found))
        if not as_json:
            echo("plain", f"{path}: {summary(found)}")
            for name, defines in shared_defines(parsed.document for parsed in loaded.files).items():
                shared = ", ".join(f"`{define}`" for define in defines)
                echo("plain", f"  {name} shares {shared} with the rules, so it is no evidence of what that says")
    if as_json:
        click.echo(json.dumps(reports, indent=2, ensure_ascii=False))
    sys.exit(1 if Fate.MISSED in fates else 0)


def _report(path: str, loaded: Loaded, found: list[Judged]) -> Json:
    program = loaded.program
    shared = shared_defines(parsed.document for parsed in loaded.files)
    return {
        "path": path,
        "policy": program.name,
        "digest": program.digest,
        "mutants": [
            {
                "kind": each.mutant.kind,
                "what": each.mutant.what,
                "at": place_json(each.mutant.span),
                "fate": str(each.fate),
                "by": each.by,
            }
            for each in found
        ],
        "shared_defines": {name: list(defines) for name, defines in shared.items()},
    }
