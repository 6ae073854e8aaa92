"""The command `fuzz`: the fuzzer, given the executors of the engine, which must agree with the meaning of a policy."""

import json
import os
import sys
from pathlib import Path

import click

from charter.dsl.program import Event, Program, State
from charter.dsl.values import Json
from charter.engine.decide import IncidentKind, decider
from charter.engine.rule_kernel import KernelFault
from charter.verification.fuzz.judge import reader_of
from charter.verification.fuzz.pieces import PieceFailed, fuzz_in_pieces
from charter.verification.fuzz.play import Decide, Decided
from charter.verification.fuzz.report import FINE, FOUND, text, to_json_report
from charter.verification.fuzz.search import Budget
from charter.verification.show.commands import echo
from charter.verification.usage import WRONG, Seconds, policies

STEPS = 30_000


def both_executors(program: Program) -> Decide:
    """The rule kernel and the semantics, as they decide in the server; a disagreement is a difference."""
    decides = decider(program)

    def decide(state: State, event: Event) -> Decided:
        decision = decides.decide(state, event)
        incident = decision.incident
        differ = incident is not None and incident.kind is IncidentKind.DISAGREEMENT
        return Decided(decision.outcome, incident.details if incident is not None and differ else ())

    return decide


@click.command("fuzz")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--steps", type=click.IntRange(1), help=f"How many steps for each policy.  [default: {STEPS}]")
@click.option("--seconds", type=Seconds(min=0, min_open=True), help="How long for each policy, instead.")
@click.option("--seed", default=0, show_default=True, type=int, help="The same seed and steps, the same conversations.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    help="How many processes at a time; for the same steps, the same result.  [default: one for each core]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def fuzz_command(
    paths: tuple[Path, ...], steps: int | None, seconds: float | None, seed: int, jobs: int | None, as_json: bool
) -> None:
    """Plays conversations with a hostile outside under the policies at PATHS, and says what must not come of them.

    Exit codes: 0 nothing was found, 1 something was, 2 a policy or the usage is wrong.
    """
    budget = Budget(STEPS if steps is None and seconds is None else steps, seconds)
    reports: list[Json] = []
    found = False
    for path, loaded in policies(paths):
        try:
            judge = reader_of(loaded)
            result = fuzz_in_pieces(
                loaded.program, both_executors, budget, seed=seed, jobs=jobs or _cores(), judge=judge
            )
        except (KernelFault, PieceFailed) as fault:
            click.echo(f"{path}: {fault}", err=True)
            sys.exit(WRONG)
        found = found or bool(result.found)
        if as_json:
            reports.append(to_json_report(str(path), loaded, result))
        else:
            for style, line in text(str(path), loaded, result):
                echo(style, line)
    if as_json:
        click.echo(json.dumps(reports, indent=2, ensure_ascii=False))
    sys.exit(FOUND if found else FINE)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
