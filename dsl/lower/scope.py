"""What an expression may mention where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from charter.dsl.lower.findings import Findings
from charter.dsl.lower.known import known_if
from charter.dsl.lower.names import Names, Parameters
from charter.dsl.program import Expr


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may mention.

    `its`: the fields of what is observed, and what that is, for people. `old`: facts that are read as they were before
    the rules. `known`: optional expressions that are known here. `variables`: false where no state may be read.
    `unread`: what is observed has a mistake, so that nobody knows its fields.
    """

    names: Names
    findings: Findings
    its: Parameters | None = None
    its_of: str = ""
    old: frozenset[str] = frozenset()
    known: frozenset[Expr] = frozenset()
    locals: Mapping[str, Expr] = field(default_factory=dict)
    expanding: tuple[str, ...] = ()
    variables: bool = True
    unread: bool = False
    expanded: bool = False  # inside a define that is used, where a `T?` parameter may stand for a plain value

    def knowing(self, *conditions: Expr) -> "Scope":
        """The same scope where these conditions hold."""
        return replace(self, known=self.known.union(*(known_if(condition, True) for condition in conditions)))


@dataclass(frozen=True, slots=True)
class Ill:
    """An expression with a mistake, which is reported; what contains it is ill too, silently.

    `known` are optional expressions that are known where it holds, whatever the mistake is.
    """

    known: frozenset[Expr] = frozenset()


ILL = Ill()
