"""How large defines are written out: where they use each other they must not grow beyond what every pass can walk."""

from collections.abc import Iterable, Mapping
from dataclasses import fields

from charter.dsl.program import Expr

MAX_LEVELS, MAX_TERMS = 96, 5_000  # of a define, written out


def too_large(expr: Expr) -> bool:
    """Whether an expression is nested deeper, or has more terms, than a define may."""
    terms = 0
    waiting: list[tuple[object, int]] = [(expr, 0)]
    while waiting:
        node, level = waiting.pop()
        if isinstance(node, tuple):
            waiting += [(part, level) for part in node]
        elif isinstance(node, Expr):
            terms += 1
            if level > MAX_LEVELS or terms > MAX_TERMS:
                return True
            waiting += [(getattr(node, of.name), level + 1) for of in fields(node)]
    return False


def used_first(uses: Mapping[str, Iterable[str]]) -> list[str]:
    """The names, each after those that it uses; where they use each other in a ring, in some order."""
    done: dict[str, None] = {}
    for name in uses:
        path = {name: iter(uses[name])}
        while path:
            at = next(reversed(path))
            following = next((n for n in path[at] if n in uses and n not in done and n not in path), None)
            if following is None:
                done[at] = None
                del path[at]
            else:
                path[following] = iter(uses[following])
    return list(done)
