"""What the engine's commands share: the policy at a path, and a mistake of the caller's in one line."""

from pathlib import Path

import click

from charter.dsl.load import Rejected, load
from charter.dsl.program import Program

FOLDER = click.argument("folder", metavar="POLICY_DIR", type=click.Path(path_type=Path))


class Mistake(click.ClickException):
    """What the caller can mend."""

    exit_code = 2


def program_of(folder: Path) -> Program:
    """The policy in a folder; where it has mistakes they are printed, and the command exits 2."""
    loaded = load(folder)
    if isinstance(loaded, Rejected):
        click.echo(str(loaded), err=True)
        raise SystemExit(2)
    return loaded.program
