"""What a condition tells about unknown values: which optional expressions are known where it holds, or does not."""

from charter.dsl.program import And, Expr, Known, Not, Or


def known_if(condition: Expr, holds: bool) -> frozenset[Expr]:
    """The expressions that are known wherever `condition` holds (or, with `holds` false, does not)."""
    match condition:
        case Known(of):
            return frozenset((of,)) if holds else frozenset()
        case Not(of):
            return known_if(of, not holds)
        case And(parts):
            return _all(parts, holds) if holds else _common(parts, holds)
        case Or(parts):
            return _common(parts, holds) if holds else _all(parts, holds)
        case _:
            return frozenset()


def _all(parts: tuple[Expr, ...], holds: bool) -> frozenset[Expr]:
    return frozenset().union(*(known_if(part, holds) for part in parts))


def _common(parts: tuple[Expr, ...], holds: bool) -> frozenset[Expr]:
    known = [known_if(part, holds) for part in parts]
    return frozenset.intersection(*known) if known else frozenset()
