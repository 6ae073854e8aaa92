"""Whether a policy may be served: its certificate holds, or the operator allows one that is not proved."""

from pathlib import Path

from charter.dsl.program import Program
from charter.verification.certificate.check import Valid, check

CERTIFICATE_NAME = "certificate.json"
PROOF = "charter.proof"
"""What health is asked about to know whether the policy is proved."""


def objections(program: Program, file: Path) -> tuple[str, ...]:
    """Why the certificate in a file does not show that the policy is proved; empty where it does."""
    try:
        data = file.read_bytes()
    except OSError as error:
        return (f"{file}: {error.strerror}; `charter verify POLICY --certificate {file}` makes one",)
    found = check(program, data)
    return () if isinstance(found, Valid) else tuple(f"{file}: {flaw}" for flaw in found.flaws)
