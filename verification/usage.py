"""What the commands of the prover are given: policies, and numbers of seconds."""

import sys
from collections.abc import Iterable, Iterator
from math import isnan
from pathlib import Path

import click

from charter.dsl.diagnostics import render
from charter.dsl.load import Loaded, Rejected, load

WRONG = 2


class Seconds(click.FloatRange):
    """A number of seconds; `nan`, which no comparison refuses, is none."""

    name = "seconds"

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        seconds = super().convert(value, param, ctx)
        return self.fail(f"{value} is no number of seconds.", param, ctx) if isnan(seconds) else seconds


def policies(paths: tuple[Path, ...], *, twice: bool = False) -> list[tuple[Path, Loaded]]:
    """The policies; where one does not load, all that is wrong is said, and nothing is proved. `twice`: a path may be
    named again."""
    for i, path in enumerate(paths):
        if not twice and path.resolve() in [other.resolve() for other in paths[:i]]:
            raise click.UsageError(f"{path} is named twice")
    found = [(path, load(path)) for path in paths]
    rejected = [(path, each) for path, each in found if isinstance(each, Rejected)]
    for path, each in rejected:
        tell(path, each)
    if rejected:
        sys.exit(WRONG)
    return [(path, each) for path, each in found if isinstance(each, Loaded)]


def tell(path: Path, rejected: Rejected) -> None:
    """Says all that is wrong with the policy at a path."""
    for diagnostic in rejected.diagnostics:
        click.echo(render(diagnostic, rejected.sources) + "\n", err=True)
    click.echo(f"{path}: {len(rejected.diagnostics)} mistake{'s' * (len(rejected.diagnostics) > 1)}", err=True)


def files_of(loadeds: Iterable[tuple[Path, Loaded]]) -> Iterator[Path]:
    """The files that the policies at these paths are written in."""
    return ((path if path.is_dir() else path.parent) / s.path for path, loaded in loadeds for s in loaded.sources)
