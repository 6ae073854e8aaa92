"""The commands about certificates: `certify check`. They are mounted by the command line."""

import json
import sys
from pathlib import Path

import click

from charter.dsl.values import Json
from charter.verification.certificate.check import Checked, Flaw, Invalid, Valid, check
from charter.verification.certificate.file import LARGEST_BYTES
from charter.verification.certificate.solvers import Limits
from charter.verification.usage import Seconds, policies

INVALID = 1


@click.group("certify")
def certify_command() -> None:
    """Certificates: what `charter verify` proved, to be checked again without search and by other code."""


@certify_command.command("check")
@click.argument("certificate", type=click.Path(path_type=Path))
@click.argument("policy", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.option("--seconds", default=120.0, show_default=True, type=Seconds(1), help="When the check is given up.")
def check_command(certificate: Path, policy: Path, as_json: bool, seconds: float) -> None:
    """Checks that CERTIFICATE proves all that the policy at POLICY requires.

    Exit codes: 0 it does, 1 it does not, 2 the policy or the usage is wrong.
    """
    try:
        with certificate.open("rb") as stream:
            data = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise click.UsageError(f"{certificate} cannot be read: {error.strerror}") from error
    ((_, loaded),) = policies((policy,))
    found = check(loaded.program, data, Limits(seconds=seconds))
    if as_json:
        click.echo(json.dumps(_report(certificate, policy, found), indent=2, ensure_ascii=False))
    else:
        _print(certificate, policy, found)
    sys.exit(0 if isinstance(found, Valid) else INVALID)


def _print(certificate: Path, policy: Path, found: Checked) -> None:
    match found:
        case Valid(claims):
            click.echo(f"{certificate}: valid for {policy}: {claims} claims hold in every conversation")
        case Invalid(flaws):
            click.echo(f"{certificate}: not valid for {policy}")
            for flaw in flaws:
                click.echo(f"  {flaw}")


def _report(certificate: Path, policy: Path, found: Checked) -> Json:
    flaws = found.flaws if isinstance(found, Invalid) else ()
    return {
        "certificate": str(certificate),
        "policy": str(policy),
        "valid": isinstance(found, Valid),
        "flaws": [_flaw(flaw) for flaw in flaws],
    }


def _flaw(flaw: Flaw) -> Json:
    return {"claim": flaw.claim, "what": flaw.what, "event": flaw.kind}
