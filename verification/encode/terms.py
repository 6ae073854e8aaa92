"""Terms: what is true of a step, as one shared graph of small operations that simplify themselves.

A term is a number: its place in the graph. Whatever it is made of stands before it, so a pass over a graph is a loop.
The graph has no quantifier and no function but those below, so it reads as SMT-LIB, and it can be computed (`values`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import NewType, TypeAlias, assert_never

Term = NewType("Term", int)

TRUE, FALSE = Term(0), Term(1)  # INVARIANT: these are the first terms of every graph.


class Sort(StrEnum):
    """What a term stands for."""

    BOOL = "Bool"
    INT = "Int"  # numbers, times, and enums by the place of the value
    OPAQUE = "Opaque"  # ids and texts: equality only


class Op(StrEnum):
    """How a term is made from others."""

    CONST = "const"  # data: its value
    VAR = "var"  # data: its name
    NOT = "not"
    AND = "and"  # at least two
    OR = "or"
    ITE = "ite"
    EQ = "="  # of INT or OPAQUE
    LE = "<="
    ADD = "+"
    MUL = "*"
    COUNT = "count"  # data: a number; that plus how many of its BOOL terms hold. INVARIANT: each holds if its next does
    FITS = "fits"  # data: a number; whether a text is at most that long
    RENDER = "render"  # data: the text between its terms; INVARIANT: never asked for but by EQ


Scalar: TypeAlias = bool | int | str
Data: TypeAlias = Scalar | tuple[str, ...] | None


@dataclass(slots=True)
class Graph:
    """Terms, each once. `inputs` has, as bits, the variables that a term mentions: bit i is `variables[i]`."""

    op: list[Op] = field(default_factory=list)
    args: list[tuple[Term, ...]] = field(default_factory=list)
    data: list[Data] = field(default_factory=list)
    sort: list[Sort] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    variables: list[Term] = field(default_factory=list)
    _known: dict[tuple[Op, tuple[Term, ...], Data, Sort], Term] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.const(True)
        self.const(False)

    def copy(self) -> "Graph":
        """The same terms, each as the same number, in a graph of its own."""
        return Graph(*(copy(getattr(self, part.name)) for part in fields(self)))

    # --- leaves

    def const(self, value: Scalar) -> Term:
        """A value: a bool, a number or an opaque text."""
        sort = Sort.BOOL if isinstance(value, bool) else Sort.INT if isinstance(value, int) else Sort.OPAQUE
        return self._make(Op.CONST, (), value, sort)

    def var(self, name: str, sort: Sort) -> Term:
        """The variable of that name."""
        return self._make(Op.VAR, (), name, sort)

    def name(self, var: Term) -> str:
        """The name of a variable."""
        return str(self.data[var])

    def named_by(self, bits: int) -> Iterator[Term]:
        """The variables that bits of `inputs` stand for."""
        while bits:
            least = bits & -bits
            yield self.variables[least.bit_length() - 1]
            bits ^= least

    def inputs_of(self, terms: Iterable[Term]) -> int:
        """The variables that terms mention, as bits."""
        bits = 0
        for term in terms:
            bits |= self.inputs[term]
        return bits

    def is_const(self, term: Term) -> bool:
        """Whether a term is a plain value."""
        return self.op[term] is Op.CONST

    # --- truth

    def not_(self, a: Term) -> Term:
        """Not `a`."""
        if a in (TRUE, FALSE):
            return FALSE if a == TRUE else TRUE
        return self.args[a][0] if self.op[a] is Op.NOT else self._make(Op.NOT, (a,), None, Sort.BOOL)

    def and_(self, *of: Term) -> Term:
        """All of them."""
        return self._junction(Op.AND, of, TRUE, FALSE)

    def or_(self, *of: Term) -> Term:
        """One of them."""
        return self._junction(Op.OR, of, FALSE, TRUE)

    def implies(self, a: Term, b: Term) -> Term:
        """`b` wherever `a`."""
        return self.or_(self.not_(a), b)

    def _junction(self, op: Op, of: Iterable[Term], unit: Term, zero: Term) -> Term:
        ops, args = self.op, self.args
        found: set[Term] = set()
        for term in of:
            found.update(args[term] if ops[term] is op else (term,))
        found.discard(unit)
        dual = Op.OR if op is Op.AND else Op.AND
        if parts := [a for a in found if ops[a] is dual]:
            found = self._resolved(op, found)
            parts = [a for a in found if ops[a] is dual]
        if zero in found:
            return zero
        for a in found:
            if ops[a] is Op.NOT and args[a][0] in found:
                return zero
        kept = tuple(sorted(found.difference([a for a in parts if not found.isdisjoint(args[a])])))
        if len(kept) < 2:
            return kept[0] if kept else unit
        return self._make(op, kept, None, Sort.BOOL)

    def _resolved(self, op: Op, of: set[Term]) -> set[Term]:
        """The parts, where those of the other junction say nothing that a single part decides already."""
        dual = Op.OR if op is Op.AND else Op.AND
        parts = [a for a in of if self.op[a] is dual]
        against = {self.not_(a) for a in of.difference(parts)} if parts else set()
        changed: dict[Term, Term] = {}
        for term in parts:
            if not against.isdisjoint(self.args[term]):
                left = [a for a in self.args[term] if a not in against]
                changed[term] = self.or_(*left) if dual is Op.OR else self.and_(*left)
        if not changed:
            return of
        again = {changed.get(a, a) for a in of}
        flat: set[Term] = set()
        for term in again:
            flat.update(self.args[term] if self.op[term] is op else (term,))
        return self._resolved(op, flat)

    def ite(self, c: Term, a: Term, b: Term) -> Term:
        """`a` where `c`, else `b`."""
        if c == TRUE or a == b:
            return a
        if c == FALSE:
            return b
        if self.op[c] is Op.NOT:
            return self.ite(self.args[c][0], b, a)
        if self.op[a] is Op.ITE and self.args[a][0] == c:
            a = self.args[a][1]
        if self.op[b] is Op.ITE and self.args[b][0] == c:
            b = self.args[b][2]
        if a == b:
            return a
        if self.sort[a] is Sort.BOOL:
            return self._choice(c, a, b)
        counted = self._aligned(a, b)
        if counted is not None and Op.COUNT in (self.op[a], self.op[b]):
            low, ones, others = counted
            return self.count(low, [self.ite(c, x, y) for x, y in zip(ones, others, strict=True)])
        return self._make(Op.ITE, (c, a, b), None, self.sort[a])

    def _choice(self, c: Term, a: Term, b: Term) -> Term:
        if a in (TRUE, c):
            return self.or_(c, b)
        if a == FALSE or a == self.not_(c):
            return self.and_(self.not_(c), b)
        if b == TRUE or b == self.not_(c):
            return self.or_(self.not_(c), a)
        if b in (FALSE, c):
            return self.and_(c, a)
        return self._make(Op.ITE, (c, a, b), None, Sort.BOOL)

    # --- values

    def eq(self, a: Term, b: Term) -> Term:
        """Whether both are the same."""
        if a == b:
            return TRUE
        if self.sort[a] is Sort.BOOL:
            return self.ite(a, b, self.not_(b))
        if self.is_const(a):
            a, b = b, a
        if self.is_const(a):
            return FALSE  # two values that are one term are the same
        if self.is_const(b) and self.op[a] is Op.ITE:
            c, x, y = self.args[a]
            if self.is_const(x) or self.is_const(y):
                return self.ite(c, self.eq(x, b), self.eq(y, b))
        counted = self._aligned(a, b)
        if counted is not None:
            return self.and_(*(self.eq(x, y) for x, y in zip(*counted[1:], strict=True)))
        return self._make(Op.EQ, (min(a, b), max(a, b)), None, Sort.BOOL)

    def le(self, a: Term, b: Term) -> Term:
        """Whether `a` is at most `b`."""
        x, y = self.data[a], self.data[b]
        if a == b:
            return TRUE
        if self.is_const(a) and self.is_const(b):
            return TRUE if _int(x) <= _int(y) else FALSE
        if self.is_const(b) and self.op[a] is Op.COUNT:
            return self.not_(self._above(a, _int(y)))
        if self.is_const(a) and self.op[b] is Op.COUNT:
            return self._above(b, _int(x) - 1)
        for one, other, swap in ((a, b, False), (b, a, True)):
            if self.is_const(other) and self.op[one] is Op.ITE:
                c, p, q = self.args[one]
                if self.is_const(p) or self.is_const(q):
                    return self.ite(
                        c,
                        self.le(other, p) if swap else self.le(p, other),
                        self.le(other, q) if swap else self.le(q, other),
                    )
        return self._make(Op.LE, (a, b), None, Sort.BOOL)

    def above(self, a: Term, bound: int) -> Term:
        """Whether `a` is more than a number."""
        return self.not_(self.le(a, self.const(bound)))

    def add(self, a: Term, b: Term) -> Term:
        """The sum."""
        if self.is_const(a):
            a, b = b, a
        if self.is_const(b):
            more = _int(self.data[b])
            if more == 0:
                return a
            if self.is_const(a):
                return self.const(_int(self.data[a]) + more)
            if self.op[a] is Op.COUNT:
                return self.count(_int(self.data[a]) + more, self.args[a])
            if self.op[a] is Op.ADD and self.is_const(self.args[a][1]):
                return self.add(self.args[a][0], self.const(_int(self.data[self.args[a][1]]) + more))
        return self._make(Op.ADD, (a, b), None, Sort.INT)

    def mul(self, a: Term, b: Term) -> Term:
        """The product."""
        if self.is_const(a):
            a, b = b, a
        if self.is_const(b):
            factor = _int(self.data[b])
            if factor in (0, 1):
                return a if factor else b
            if self.is_const(a):
                return self.const(_int(self.data[a]) * factor)
        return self._make(Op.MUL, (a, b), None, Sort.INT)

    def minus(self, a: Term, b: Term) -> Term:
        """The difference."""
        return self.add(a, self.mul(b, self.const(-1)))

    def count(self, low: int, bits: Sequence[Term]) -> Term:
        """`low` plus how many of `bits` hold; each holds if its next does."""
        ones = next((i for i, bit in enumerate(bits) if bit != TRUE), len(bits))
        rest = tuple(bits[ones:])
        while rest and rest[-1] == FALSE:
            rest = rest[:-1]
        if not rest:
            return self.const(low + ones)
        return self._make(Op.COUNT, rest, low + ones, Sort.INT)

    def fits(self, a: Term, limit: int) -> Term:
        """Whether a text is at most `limit` characters long."""
        value = self.data[a]
        if self.is_const(a):
            return TRUE if len(str(value)) <= limit else FALSE
        if self.op[a] is Op.ITE:
            c, x, y = self.args[a]
            return self.ite(c, self.fits(x, limit), self.fits(y, limit))
        return self._make(Op.FITS, (a,), limit, Sort.BOOL)

    def render(self, between: tuple[str, ...], slots: tuple[Term, ...]) -> Term:
        """A text with slots; `between` has one part more than there are slots."""
        if not slots:
            return self.const(between[0])
        return self._make(Op.RENDER, slots, between, Sort.OPAQUE)

    def _above(self, a: Term, bound: int) -> Term:
        place = bound - _int(self.data[a])
        return TRUE if place < 0 else FALSE if place >= len(self.args[a]) else self.args[a][place]

    def _aligned(self, a: Term, b: Term) -> tuple[int, list[Term], list[Term]] | None:
        """Two counts (or numbers) over one range, as bits; None where one is neither."""
        if self.sort[a] is not Sort.INT or not all(self.op[x] in (Op.COUNT, Op.CONST) for x in (a, b)):
            return None
        low = min(_int(self.data[a]), _int(self.data[b]))
        high = max(_int(self.data[x]) + len(self.args[x]) for x in (a, b))
        if high - low > 256:
            return None
        return low, *([self.above(x, i) for i in range(low, high)] for x in (a, b))  # type: ignore[return-value]  # two

    def _make(self, op: Op, args: tuple[Term, ...], data: Data, sort: Sort) -> Term:
        key = op, args, data, sort
        found = self._known.get(key)
        if found is not None:
            return found
        term = Term(len(self.op))
        inputs = 0
        if op is Op.VAR:
            inputs = 1 << len(self.variables)
            self.variables.append(term)
        for arg in args:
            inputs |= self.inputs[arg]
        self._known[key] = term
        self.op.append(op)
        self.args.append(args)
        self.data.append(data)
        self.sort.append(sort)
        self.inputs.append(inputs)
        return term


def mentioned(graph: Graph, roots: Iterable[Term]) -> list[Term]:
    """Every term that the roots are made of, themselves included, each after what it is made of."""
    seen: set[Term] = set()
    todo = list(roots)
    while todo:
        term = todo.pop()
        if term not in seen:
            seen.add(term)
            todo.extend(graph.args[term])
    return sorted(seen)


def substituted(graph: Graph, roots: Iterable[Term], made: dict[Term, Term], among: int = -1) -> list[Term]:
    """The roots with terms replaced by others, simplified. `made` also gets what every other term has become.

    `among`: bits of `inputs`; terms that mention none of these variables are left as they are.
    """
    roots = list(roots)
    todo = [root for root in roots if graph.inputs[root] & among]
    while todo:
        term = todo[-1]
        if term in made:
            todo.pop()
            continue
        missing = [a for a in graph.args[term] if a not in made and graph.inputs[a] & among]
        if missing:
            todo.extend(missing)
            continue
        args = [made.get(a, a) for a in graph.args[term]]
        made[term] = term if tuple(args) == graph.args[term] else _remade(graph, term, args)
        todo.pop()
    return [made.get(root, root) for root in roots]


def replaced(graph: Graph, roots: Iterable[Term], made: Mapping[Term, Term]) -> set[Term]:
    """The variables that had to be replaced for the roots to become what they did; `made` as `substituted` left it."""
    found: set[Term] = set()
    seen: set[Term] = set()
    todo = list(roots)
    while todo:
        term = todo.pop()
        became = made.get(term, term)
        if became == term or term in seen:
            continue
        seen.add(term)
        args = graph.args[term]
        if not args:
            found.add(term)
        elif became in (TRUE, FALSE) and graph.op[term] in (Op.AND, Op.OR):
            todo += [a for a in args if made.get(a, a) == became][:1] or args
        else:
            todo += args
    return found


def _remade(graph: Graph, term: Term, args: Sequence[Term]) -> Term:
    """The same operation on other terms."""
    op, data = graph.op[term], graph.data[term]
    match op:
        case Op.CONST | Op.VAR:
            return term
        case Op.NOT:
            return graph.not_(args[0])
        case Op.AND:
            return graph.and_(*args)
        case Op.OR:
            return graph.or_(*args)
        case Op.ITE:
            return graph.ite(args[0], args[1], args[2])
        case Op.EQ:
            return graph.eq(args[0], args[1])
        case Op.LE:
            return graph.le(args[0], args[1])
        case Op.ADD:
            return graph.add(args[0], args[1])
        case Op.MUL:
            return graph.mul(args[0], args[1])
        case Op.COUNT:
            return graph.count(_int(data), args)
        case Op.FITS:
            return graph.fits(args[0], _int(data))
        case Op.RENDER:
            assert isinstance(data, tuple)
            return graph.render(data, tuple(args))
        case _:
            assert_never(op)


def values(graph: Graph, roots: Iterable[Term], inputs: Mapping[Term, Scalar]) -> dict[Term, Scalar]:
    """The value of everything that the roots are made of, where the variables have these values."""
    found: dict[Term, Scalar] = {}
    for term in mentioned(graph, roots):
        found[term] = inputs[term] if graph.op[term] is Op.VAR else _value(graph, term, found)
    return found


def _value(graph: Graph, term: Term, found: Mapping[Term, Scalar]) -> Scalar:
    op, args, data = graph.op[term], [found[a] for a in graph.args[term]], graph.data[term]
    match op:
        case Op.CONST:
            assert isinstance(data, bool | int | str)
            return data
        case Op.NOT:
            return not args[0]
        case Op.AND:
            return all(args)
        case Op.OR:
            return any(args)
        case Op.ITE:
            return args[1] if args[0] else args[2]
        case Op.EQ:
            return args[0] == args[1]
        case Op.LE:
            return _int(args[0]) <= _int(args[1])
        case Op.ADD:
            return _int(args[0]) + _int(args[1])
        case Op.MUL:
            return _int(args[0]) * _int(args[1])
        case Op.COUNT:
            return _int(data) + sum(bool(a) for a in args)
        case Op.FITS:
            return len(str(args[0])) <= _int(data)
        case Op.RENDER:
            assert isinstance(data, tuple)
            return data[0] + "".join(str(a) + text for a, text in zip(args, data[1:], strict=True))
        case Op.VAR:
            raise KeyError(graph.name(term))
        case _:
            assert_never(op)


def _int(value: Data) -> int:
    """A value that is a number by the sort of its term."""
    assert isinstance(value, int)
    return value
