"""SMT-LIB text, built up term by term: each once, under a short name, and only what is asked for is printed.

Two sorts are enough: `Bool` and `Int`. What can be seen to be constant is, so that most of a step vanishes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Sort(StrEnum):
    """What a term stands for."""

    BOOL = "Bool"
    INT = "Int"


@dataclass(frozen=True, slots=True)
class Term:
    """A term as it is written: a value, a variable, or the name of a definition. `value`: of a constant."""

    text: str
    sort: Sort
    value: bool | int | None = None


TRUE, FALSE = Term("true", Sort.BOOL, True), Term("false", Sort.BOOL, False)


def number(value: int) -> Term:
    """A whole number."""
    return Term(str(value) if value >= 0 else f"(- {-value})", Sort.INT, value)


ZERO, ONE = number(0), number(1)


@dataclass(slots=True)
class Script:
    """Terms, each once."""

    _variables: dict[str, Term] = field(default_factory=dict)
    _made: dict[tuple[str, tuple[str, ...]], Term] = field(default_factory=dict)
    _parts: dict[str, tuple[str, tuple[Term, ...]]] = field(default_factory=dict)
    _unread: dict[str, Term] = field(default_factory=dict)
    _mentioned: dict[str, int] = field(default_factory=dict)  # the variables of a term, a bit for each

    # --- leaves

    def variable(self, name: str, sort: Sort) -> Term:
        """The variable of that name."""
        if "|" in name or "\\" in name:
            raise ValueError(f"{name!r} cannot be written in SMT-LIB")
        found = self._variables.setdefault(f"|{name}|", Term(f"|{name}|", sort))
        self._mentioned.setdefault(found.text, 1 << len(self._variables))
        if found.sort is not sort:
            raise ValueError(f"two variables are called {name!r}")
        return found

    def unread(self, key: str, sort: Sort) -> Term:
        """Something that may be anything, though it is the same wherever its key is the same."""
        if key not in self._unread:
            self._unread[key] = self.variable(f"any {len(self._unread)}", sort)
        return self._unread[key]

    # --- truth

    def not_(self, a: Term) -> Term:
        """Not `a`."""
        if isinstance(a.value, bool):
            return FALSE if a.value else TRUE
        op, parts = self._parts.get(a.text, ("", ()))
        return parts[0] if op == "not" else self._make("not", (a,), Sort.BOOL)

    def and_(self, of: Iterable[Term]) -> Term:
        """All of them."""
        return self._junction("and", of, TRUE, FALSE)

    def or_(self, of: Iterable[Term]) -> Term:
        """One of them."""
        return self._junction("or", of, FALSE, TRUE)

    def _junction(self, op: str, of: Iterable[Term], unit: Term, zero: Term) -> Term:
        found: dict[str, Term] = {}
        against: set[str] = set()  # what parts are the negation of
        for term in of:
            inner = self._parts.get(term.text)
            for part in inner[1] if inner is not None and inner[0] == op else (term,):
                how, denied = self._parts.get(part.text, ("", ()))
                if part == zero or part.text in against or (how == "not" and denied[0].text in found):
                    return zero
                if how == "not":
                    against.add(denied[0].text)
                if part != unit:
                    found[part.text] = part
        if len(found) < 2:
            return next(iter(found.values()), unit)
        return self._make(op, tuple(found.values()), Sort.BOOL)

    def ite(self, c: Term, a: Term, b: Term) -> Term:
        """`a` where `c`, else `b`."""
        if c.value is not None or a == b:
            return a if c.value is not False or a == b else b
        if a.sort is Sort.BOOL:
            if a.value is not None:
                return self.or_((c, b)) if a.value else self.and_((self.not_(c), b))
            if b.value is not None:
                return self.or_((self.not_(c), a)) if b.value else self.and_((c, a))
        return self._make("ite", (c, a, b), a.sort)

    # --- values

    def eq(self, a: Term, b: Term) -> Term:
        """Whether both are the same."""
        if a == b:
            return TRUE
        if a.value is not None and b.value is not None:
            return FALSE
        for one, other in ((a, b), (b, a)):
            if isinstance(one.value, bool):
                return other if one.value else self.not_(other)
        return self._make("=", (a, b), Sort.BOOL)

    def le(self, a: Term, b: Term) -> Term:
        """Whether `a` is at most `b`."""
        if a == b:
            return TRUE
        if a.value is not None and b.value is not None:
            return TRUE if a.value <= b.value else FALSE
        return self._make("<=", (a, b), Sort.BOOL)

    def lt(self, a: Term, b: Term) -> Term:
        """Whether `a` is less than `b`."""
        return self.not_(self.le(b, a))

    def arithmetic(self, op: str, a: Term, b: Term) -> Term:
        """`a + b`, `a - b` or `a * b`."""
        if a.value is not None and b.value is not None:
            return number({"+": int.__add__, "-": int.__sub__, "*": int.__mul__}[op](int(a.value), int(b.value)))
        return a if op != "*" and b == ZERO else self._make(op, (a, b), Sort.INT)

    def count(self, of: Iterable[Term]) -> Term:
        """How many hold."""
        total = ZERO
        for term in of:
            total = self.arithmetic("+", total, self.ite(term, ONE, ZERO))
        return total

    def _make(self, op: str, parts: tuple[Term, ...], sort: Sort) -> Term:
        key = op, tuple(part.text for part in parts)
        if key not in self._made:
            term = self._made[key] = Term(f"${len(self._made)}", sort)  # as no variable is called
            self._parts[term.text] = op, parts
            self._mentioned[term.text] = self.mentioned(parts)
        return self._made[key]

    def literals(self, term: Term, holds: bool = True) -> Iterator[tuple[Term, Term]]:
        """Variables that have one value wherever the term holds, or does not, as far as that can be seen at once."""
        op, parts = self._parts.get(term.text, ("", ()))
        if term.text in self._variables:
            yield term, TRUE if holds else FALSE
        elif op == "not":
            yield from self.literals(parts[0], not holds)
        elif op == ("and" if holds else "or"):
            for part in parts:
                yield from self.literals(part, holds)
        elif op == "=" and holds and parts[0].text in self._variables and parts[1].value is not None:
            yield parts[0], parts[1]

    def mentioned(self, of: Iterable[Term]) -> int:
        """The variables of terms, a bit for each."""
        found = 0
        for term in of:
            found |= self._mentioned.get(term.text, 0)
        return found

    # --- as text

    def printed(self, roots: Iterable[Term]) -> tuple[str, Mapping[str, str]]:
        """The declarations and definitions that the roots need, each before its use; and what each term is called.

        Names say nothing but the order in which they are met, so what differs in names only is the same text.
        """
        lines: list[str] = []
        names: dict[str, str] = {}
        todo = [(root, False) for root in reversed(list(roots))]
        while todo:
            term, ready = todo.pop()
            if term.text in names:
                continue
            op, parts = self._parts.get(term.text, ("", ()))
            if term.value is not None:
                names[term.text] = term.text
            elif not op:
                names[term.text] = f"x{len(names)}"
                lines.append(f"(declare-const {names[term.text]} {term.sort})")
            elif ready:
                names[term.text] = f"x{len(names)}"
                body = " ".join([names[part.text] for part in parts])
                lines.append(f"(define-fun {names[term.text]} () {term.sort} ({op} {body}))")
            else:
                todo.append((term, True))
                todo.extend((part, False) for part in reversed(parts))
        return "\n".join(lines), names
