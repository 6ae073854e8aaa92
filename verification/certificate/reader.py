"""Invariants as a certificate spells them: one closed term in SMT-LIB's notation, over the columns of a state.

    true  false  7  (- 7)  |name|  bound
    (not a) (and a …) (or a …) (=> a b) (= x y) (<= x y) (< x y) (>= x y) (> x y) (ite a x y)
    (+ x …) (- x y) (- x) (* x y) (let ((bound x) …) y)

There is nothing else: no command, no declaration, no quantifier. `|name|` is a column; a bound name is one of `let`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from charter.verification.certificate.script import FALSE, TRUE, ZERO, Script, Sort, Term, number

LARGEST = 200_000  # tokens of one invariant
DEEPEST = 400  # parentheses within each other

_TOKEN = re.compile(r"\s*(?:([()])|\|([^|\\]*)\||([^\s()|]+))")
_ARITY = {"not": (1, 1), "=>": (2, 2), "ite": (3, 3), "=": (2, 2), "*": (2, 2), "-": (1, 2)}
_ARITY |= dict.fromkeys(("<=", "<", ">=", ">"), (2, 2))
_ARITY |= dict.fromkeys(("and", "or", "+"), (1, LARGEST))


class Unreadable(ValueError):
    """A text that is no such term, and why."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the state."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A value."""

    term: Term


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """An operation."""

    op: str
    parts: "tuple[Node, ...]"


Node: TypeAlias = Column | Literal | Applied


def read(text: str) -> Node:
    """The term that a text is; raises `Unreadable`."""
    tokens = _tokens(text)
    if len(tokens) > LARGEST:
        raise Unreadable(f"it has more than {LARGEST} parts")
    reader = _Reader(tokens)
    found = reader.term({}, 0)
    if not reader.at_end:
        raise Unreadable("something follows its end")
    return found


def clauses(node: Node) -> Iterator[Node]:
    """The parts that all have to hold for a term to hold."""
    if isinstance(node, Applied) and node.op == "and":
        for part in node.parts:
            yield from clauses(part)
    else:
        yield node


def in_order(node: Node) -> tuple[Node, ...]:
    """Every part of a term, each once and after its own parts."""
    found: list[Node] = []
    done: set[int] = set()
    todo = [(node, False)]
    while todo:
        each, ready = todo.pop()
        if id(each) in done:
            continue
        if ready or not isinstance(each, Applied):
            done.add(id(each))
            found.append(each)
        else:
            todo.append((each, True))
            todo.extend((part, False) for part in each.parts)
    return tuple(found)


def as_term(script: Script, nodes: Sequence[Node], by: Mapping[str, Term]) -> Term:
    """The last of these terms, which are in order, with others in place of its columns.

    Raises `Unreadable` where a column is none, or sorts do not fit.
    """
    made: dict[int, Term] = {}
    found = TRUE
    for each in nodes:
        if isinstance(each, Applied):
            found = _applied(script, each.op, [made[id(part)] for part in each.parts])
        elif isinstance(each, Column):
            if each.name not in by:
                raise Unreadable(f"there is no column `{each.name}`")
            found = by[each.name]
        else:
            found = each.term
        made[id(each)] = found
    return found


def _applied(script: Script, op: str, of: list[Term]) -> Term:
    wanted = Sort.BOOL if op in ("not", "and", "or", "=>") else Sort.INT
    sorts = [term.sort for term in of]
    if op == "ite":
        fits = sorts[0] is Sort.BOOL and sorts[1] is sorts[2]
    else:
        fits = sorts[0] is sorts[1] if op == "=" else all(sort is wanted for sort in sorts)
    if op == "*":
        fits = fits and any(term.value is not None for term in of)
    if not fits:
        raise Unreadable(f"`{op}` does not apply to {' and '.join(sorts)}")
    match op:
        case "not":
            return script.not_(of[0])
        case "and":
            return script.and_(of)
        case "or":
            return script.or_(of)
        case "=>":
            return script.or_((script.not_(of[0]), of[1]))
        case "ite":
            return script.ite(of[0], of[1], of[2])
        case "=":
            return script.eq(of[0], of[1])
        case "<=" | ">=":
            return script.le(of[0], of[1]) if op == "<=" else script.le(of[1], of[0])
        case "<" | ">":
            return script.lt(of[0], of[1]) if op == "<" else script.lt(of[1], of[0])
        case "-" if len(of) == 1:
            return script.arithmetic("-", ZERO, of[0])
        case _:
            total = of[0]
            for term in of[1:]:
                total = script.arithmetic(op, total, term)
            return total


def _tokens(text: str) -> list[tuple[str, str]]:
    """Each token with what it is: a parenthesis, the `name` of a column, or a `word`."""
    found: list[tuple[str, str]] = []
    at, end = 0, len(text.rstrip())
    while at < end and len(found) <= LARGEST:
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unreadable(f"{text[at : at + 20]!r} begins no term")
        parenthesis, name, word = match.groups()
        found.append(("name", name) if name is not None else (parenthesis or "word", word or ""))
        at = match.end()
    return found


class _Reader:
    """Where reading stands."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._at = tokens, 0

    @property
    def at_end(self) -> bool:
        """Whether all was read."""
        return self._at == len(self._tokens)

    def term(self, bound: Mapping[str, Node], depth: int) -> Node:
        """The term that comes next."""
        if depth > DEEPEST:
            raise Unreadable(f"it is nested more than {DEEPEST} deep")
        what, text = self._next()
        match what:
            case "name":
                return Column(text)
            case "word":
                return _word(text, bound)
            case "(":
                return self._application(bound, depth + 1)
            case _:
                raise Unreadable("a parenthesis closes that was not opened")

    def _application(self, bound: Mapping[str, Node], depth: int) -> Node:
        _, op = self._next("word")
        if op == "let":
            return self._let(bound, depth)
        if op not in _ARITY:
            raise Unreadable(f"there is no operation `{op}`")
        parts: list[Node] = []
        while self._peek() != ")":
            parts.append(self.term(bound, depth))
        self._next(")")
        low, high = _ARITY[op]
        if not low <= len(parts) <= high:
            raise Unreadable(f"`{op}` has {len(parts)} parts")
        return Applied(op, tuple(parts))

    def _let(self, bound: Mapping[str, Node], depth: int) -> Node:
        inner = dict(bound)
        self._next("(")
        while self._peek() == "(":
            self._next("(")
            _, name = self._next("word")
            if name in _ARITY or name in ("let", "true", "false") or name[0].isdigit():
                raise Unreadable(f"`{name}` cannot be bound")
            inner[name] = self.term(bound, depth)
            self._next(")")
        self._next(")")
        body = self.term(inner, depth)
        self._next(")")
        return body

    def _peek(self) -> str:
        return "" if self.at_end else self._tokens[self._at][0]

    def _next(self, wanted: str | None = None) -> tuple[str, str]:
        if self.at_end:
            raise Unreadable("it ends too early")
        found = self._tokens[self._at]
        self._at += 1
        if wanted is not None and found[0] != wanted:
            raise Unreadable(f"`{found[1] or found[0]}` stands where a {wanted} should")
        return found


def _word(text: str, bound: Mapping[str, Node]) -> Node:
    if text in ("true", "false"):
        return Literal(TRUE if text == "true" else FALSE)
    if re.fullmatch(r"0|[1-9][0-9]{0,29}", text):
        return Literal(number(int(text)))
    if text not in bound:
        raise Unreadable(f"`{text}` is neither a value nor a bound name")
    return bound[text]
