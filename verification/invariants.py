"""An invariant that the prover found, as a certificate spells it: over columns of the state by their names.

The prover lays small numbers out as rows of flags, `used classify>0`; in a certificate they are numbers again.
"""

import re

from charter.verification.verdicts import Invariant

_NAME = re.compile(r"(?<![^\s()])k(\d+)(?![^\s()])")


def spelled(invariant: Invariant) -> str:
    """The invariant as one term over `|column|`s; ids and texts in it are the numbers of `codes_of`."""
    return _NAME.sub(lambda found: _column(invariant.columns[int(found[1])]), invariant.text)


def _column(name: str) -> str:
    number, row, bound = name.rpartition(">")
    if not row:
        return f"|{name}|"
    return f"(> |{number}| {bound if int(bound) >= 0 else f'(- {-int(bound)})'})"
