"""Whether a policy may be served: its certificate holds, or the operator allows one that is not proved."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from charter.dsl.program import Program
from charter.verification.certificate.check import Valid, check

CERTIFICATE_NAME = "certificate.json"
PROOF = "charter.proof"
"""What health is asked about to know whether the policy is proved."""


@dataclass(frozen=True, slots=True)
class Certified:
    """The certificate shows that the policy is proved. `sha256` is the digest of its file."""

    sha256: str


def certified(program: Program, file: Path) -> Certified | tuple[str, ...]:
    """The certificate in a file, checked; or why it does not show that the policy is proved."""
    try:
        data = file.read_bytes()
    except OSError as error:
        return (f"{file}: {error.strerror}; `charter verify POLICY --certificate {file}` makes one",)
    found = check(program, data)
    if isinstance(found, Valid):
        return Certified(hashlib.sha256(data).hexdigest())
    return tuple(f"{file}: {flaw}" for flaw in found.flaws)


def proof_of(program: Program, held: Certified | None) -> str:
    """The digests of what is served and of why it may be, as clients are told with every answer."""
    return f"policy={program.digest}, certificate={held.sha256 if held else 'none'}"
