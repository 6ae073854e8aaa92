"""Symbols: values of the policy language as terms. What is optional has a flag, a record has parts, a bag has places.

A value is laid out in *columns*, one variable each: `columns` names them, `flat` is the way back from a symbol to a
term for each, `reading` and `scalars` are the same for plain values. Small numbers of the state are laid out as a row
of bools (more than 0, more than 1, …): solvers lose themselves in counters.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from charter.dsl.types import (
    DURATION_MAX,
    TIME_MAX,
    TIME_MIN,
    BagType,
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    IdType,
    IntType,
    OptionalType,
    RecordType,
    TextType,
    TimeType,
    Type,
    Value,
)
from charter.verification.encode.terms import FALSE, TRUE, Graph, Op, Scalar, Sort, Term

ROW = 128  # a number with at most so many values above its least is laid out as a row of bools


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may be unknown; where it is, `value` means nothing."""

    known: Term
    value: "Symbol"


@dataclass(frozen=True, slots=True)
class Parts:
    """A record."""

    of: tuple["Symbol", ...]


@dataclass(frozen=True, slots=True)
class Places:
    """A bag, in order of arrival. INVARIANT: a place is taken only if the one before it is.

    `more`: something came when all places were taken, so from now on it may hold anything besides.
    """

    taken: tuple[Term, ...]
    items: tuple[Parts, ...]
    more: Term


Symbol: TypeAlias = Term | int | Optional | Parts | Places  # a plain int is a Term: NewType is no class


@dataclass(frozen=True, slots=True)
class Column:
    """One variable of a layout, and what is always true of it: at least and at most, or at most so long."""

    name: str
    sort: Sort
    low: int | None = None
    high: int | None = None
    longest: int | None = None
    below: str | None = None  # the column that holds wherever this one does


@dataclass(frozen=True, slots=True)
class Layout:
    """How values of a type lie in columns; `places` are those of a bag, `rows` is whether small numbers are rows."""

    type: Type
    places: int = 0
    rows: bool = True


# --- layout ----------------------------------------------------------------------------------------------------------


def columns(layout: Layout, name: str) -> list[Column]:
    """The columns of a value called `name`, in order."""
    match layout.type:
        case BoolType():
            return [Column(name, Sort.BOOL)]
        case IntType(low, high) if _is_row(layout):
            names = [f"{name}>{i}" for i in range(low, high)]
            return [Column(n, Sort.BOOL, below=names[i - 1] if i else None) for i, n in enumerate(names)]
        case IntType(low, high) | DecimalType(_, low, high):
            return [Column(name, Sort.INT, low, high)]
        case TimeType():
            return [Column(name, Sort.INT, TIME_MIN, TIME_MAX)]
        case DurationType():
            return [Column(name, Sort.INT, -DURATION_MAX, DURATION_MAX)]
        case EnumType(_, values):
            return [Column(name, Sort.INT, 0, len(values) - 1)]
        case IdType():
            return [Column(name, Sort.OPAQUE)]
        case TextType(limit):
            return [Column(name, Sort.OPAQUE, longest=limit)]
        case RecordType(_, fields):
            return [c for n, t in fields for c in columns(Layout(t, 0, layout.rows), f"{name}.{n}")]
        case OptionalType(of):
            return [Column(f"{name}?", Sort.BOOL), *columns(Layout(of, 0, layout.rows), name)]
        case BagType(of):
            taken = [f"{name}#{i}" for i in range(layout.places)]
            flags = [Column(n, Sort.BOOL, below=taken[i - 1] if i else None) for i, n in enumerate(taken)]
            items = [c for n in taken for c in columns(Layout(of, 0, False), n)]
            return [*flags, *items, Column(f"{name}#more", Sort.BOOL)]
        case _:
            assert_never(layout.type)


def symbol(graph: Graph, layout: Layout, terms: Iterator[Term]) -> Symbol:
    """The symbol whose columns are these terms."""
    match layout.type:
        case IntType(low, high) if _is_row(layout):
            return graph.count(low, [next(terms) for _ in range(low, high)])
        case RecordType(_, fields):
            return Parts(tuple(symbol(graph, Layout(t, 0, layout.rows), terms) for _, t in fields))
        case OptionalType(of):
            return Optional(next(terms), symbol(graph, Layout(of, 0, layout.rows), terms))
        case BagType(of):
            taken = tuple(next(terms) for _ in range(layout.places))
            items = [symbol(graph, Layout(of, 0, False), terms) for _ in taken]
            return Places(taken, tuple(i for i in items if isinstance(i, Parts)), next(terms))
        case _:
            return next(terms)


def flat(graph: Graph, layout: Layout, of: Symbol) -> list[Term]:
    """The term of each column of a symbol, in order."""
    match layout.type, of:
        case IntType(low, high), int() if _is_row(layout):
            return [graph.above(Term(of), i) for i in range(low, high)]
        case RecordType(_, fields), Parts(parts):
            return [
                t for part, (_, type_) in zip(parts, fields, strict=True) for t in _flat(graph, layout, type_, part)
            ]
        case OptionalType(inner), Optional(known, value):
            return [known, *_flat(graph, layout, inner, value)]
        case BagType(item), Places(taken, items, more):
            return [*taken, *(t for i in items for t in flat(graph, Layout(item, 0, False), i)), more]
        case _, int():
            return [Term(of)]
        case _:
            raise TypeError(f"{of} is not laid out as {layout.type}")


def _flat(graph: Graph, layout: Layout, type_: Type, part: Symbol) -> list[Term]:
    return flat(graph, Layout(type_, 0, layout.rows), part)


def _is_row(layout: Layout) -> bool:
    return layout.rows and isinstance(layout.type, IntType) and layout.type.high - layout.type.low <= ROW


def known_of(graph: Graph, variables: Iterable[Term], columns: Mapping[str, Column]) -> list[Term]:
    """What is always true of these variables, each on its own and beside the others."""
    here = {graph.name(variable): variable for variable in variables}
    facts = []
    for name, variable in here.items():
        column = columns[name]
        if column.low is not None and column.high is not None:
            low, high = graph.const(column.low), graph.const(column.high)
            facts.append(graph.and_(graph.le(low, variable), graph.le(variable, high)))
        if column.longest is not None:
            facts.append(graph.fits(variable, column.longest))
        below = column.below
        while below is not None and below not in here:
            below = columns[below].below
        if below is not None:
            facts.append(graph.implies(variable, here[below]))
    return facts


# --- plain values ----------------------------------------------------------------------------------------------------


def constant(graph: Graph, value: Value, type_: Type) -> Symbol:
    """A plain value as a symbol."""
    match type_:
        case OptionalType(of):
            known = TRUE if value is not None else FALSE
            return Optional(known, constant(graph, least(of) if value is None else value, of))
        case EnumType(_, values):
            return graph.const(values.index(str(value)))
        case RecordType(_, fields):
            assert isinstance(value, tuple)
            return Parts(tuple(constant(graph, v, t) for v, (_, t) in zip(value, fields, strict=True)))
        case BagType(of):
            assert isinstance(value, tuple)
            items = [constant(graph, item, of) for item in value]
            return Places((TRUE,) * len(items), tuple(i for i in items if isinstance(i, Parts)), FALSE)
        case _:
            assert isinstance(value, bool | int | str)
            return graph.const(value)


def least(type_: Type) -> Value:
    """Some value of a type."""
    match type_:
        case BoolType():
            return False
        case IntType(low) | DecimalType(_, low):
            return low
        case TimeType() | DurationType():
            return 0
        case EnumType(_, values):
            return values[0]
        case IdType() | TextType():
            return ""
        case RecordType(_, fields):
            return tuple(least(t) for _, t in fields)
        case OptionalType():
            return None
        case BagType():
            return ()
        case _:
            assert_never(type_)


def scalars(layout: Layout, value: Value) -> list[Scalar]:
    """The value of each column where the whole is a plain value."""
    match layout.type:
        case IntType(low, high) if _is_row(layout):
            assert isinstance(value, int)
            return [value > i for i in range(low, high)]
        case EnumType(_, values):
            return [values.index(str(value))]
        case RecordType(_, fields):
            assert isinstance(value, tuple)
            pairs = zip(value, fields, strict=True)
            return [s for v, (_, t) in pairs for s in scalars(Layout(t, 0, layout.rows), v)]
        case OptionalType(of):
            inner = scalars(Layout(of, 0, layout.rows), least(of) if value is None else value)
            return [value is not None, *inner]
        case BagType(of):
            assert isinstance(value, tuple)
            room = [*value[: layout.places], *[least(of)] * (layout.places - len(value))]
            items = [s for item in room for s in scalars(Layout(of, 0, False), item)]
            return [*(i < len(value) for i in range(layout.places)), *items, len(value) > layout.places]
        case _:
            assert isinstance(value, bool | int | str)
            return [value]


def reading(layout: Layout, found: Iterator[Scalar]) -> Value:
    """The plain value whose columns have these values."""
    match layout.type:
        case IntType(low, high) if _is_row(layout):
            return low + sum(bool(next(found)) for _ in range(low, high))
        case EnumType(_, values):
            place = next(found)
            assert isinstance(place, int)
            return values[place]
        case RecordType(_, fields):
            return tuple(reading(Layout(t, 0, layout.rows), found) for _, t in fields)
        case OptionalType(of):
            known = next(found)
            value = reading(Layout(of, 0, layout.rows), found)
            return value if known else None
        case BagType(of):
            taken = [bool(next(found)) for _ in range(layout.places)]
            items = [reading(Layout(of, 0, False), found) for _ in taken]
            next(found)
            return tuple(item for item, here in zip(items, taken, strict=True) if here)
        case _:
            return next(found)


# --- operations ------------------------------------------------------------------------------------------------------


def fitted(of: Symbol, type_: Type) -> Symbol:
    """The symbol as a value of the type: a plain value becomes a known optional one."""
    match type_, of:
        case OptionalType(inner), Optional(known, value):
            return Optional(known, fitted(value, inner))
        case OptionalType(inner), _:
            return Optional(TRUE, fitted(of, inner))
        case _, Optional(_, value):
            return fitted(value, type_)
        case RecordType(_, fields), Parts(parts):
            return Parts(tuple(fitted(part, t) for part, (_, t) in zip(parts, fields, strict=True)))
        case _:
            return of


def plain(of: Symbol) -> Symbol:
    """The value of an optional symbol that is known."""
    return of.value if isinstance(of, Optional) else of


def scalar(of: Symbol) -> Term:
    """The one term of a symbol that is neither a record nor a bag, and known."""
    found = plain(of)
    if not isinstance(found, int):
        raise TypeError(f"{of} is no scalar")
    return Term(found)


def equal(graph: Graph, a: Symbol, b: Symbol) -> Term:
    """Whether two symbols of one type are the same value."""
    match a, b:
        case Optional(p, x), Optional(q, y):
            return graph.and_(graph.eq(p, q), graph.or_(graph.not_(p), equal(graph, x, y)))
        case Parts(xs), Parts(ys):
            return graph.and_(*(equal(graph, x, y) for x, y in zip(xs, ys, strict=True)))
        case int(), int():
            return graph.eq(Term(a), Term(b))
        case _:
            raise TypeError(f"{a} and {b} are not of one type")


def choose(graph: Graph, c: Term, a: Symbol, b: Symbol) -> Symbol:
    """`a` where `c`, else `b`.

    What is surely unknown in one may have any value of its type: it is as in the other, if that is surely of the type.
    """
    if a is b or a == b:
        return a
    match a, b:
        case Optional(p, x), Optional(q, y):
            if p == FALSE and _is_stored(graph, y):
                return Optional(graph.ite(c, p, q), y)
            if q == FALSE and _is_stored(graph, x):
                return Optional(graph.ite(c, p, q), x)
            return Optional(graph.ite(c, p, q), choose(graph, c, x, y))
        case Parts(xs), Parts(ys):
            return Parts(tuple(choose(graph, c, x, y) for x, y in zip(xs, ys, strict=True)))
        case Places(ps, xs, m), Places(qs, ys, n):
            items = [choose(graph, c, x, y) for x, y in zip(xs, ys, strict=True)]
            taken = tuple(graph.ite(c, p, q) for p, q in zip(ps, qs, strict=True))
            return Places(taken, tuple(i for i in items if isinstance(i, Parts)), graph.ite(c, m, n))
        case int(), int():
            return graph.ite(c, Term(a), Term(b))
        case _:
            raise TypeError(f"{a} and {b} are not of one type")


def _is_stored(graph: Graph, of: Symbol) -> bool:
    """Whether a symbol is made of variables and constants, so that it lies within its type even where it is unknown."""
    match of:
        case Optional(_, value):
            return _is_stored(graph, value)
        case Parts(parts):
            return all(_is_stored(graph, part) for part in parts)
        case Places():
            return True
        case _:
            return graph.op[Term(of)] in (Op.VAR, Op.CONST)


def holds(graph: Graph, bag: Places, item: Symbol) -> Term:
    """Whether a bag has an item, or may have it among what was not kept."""
    found = (graph.and_(t, equal(graph, i, item)) for t, i in zip(bag.taken, bag.items, strict=True))
    return graph.or_(bag.more, *found)


def added(graph: Graph, bag: Places, item: Symbol) -> Places:
    """The bag with one more item, at its end."""
    taken, items = [], []
    before = TRUE
    for here, old in zip(bag.taken, bag.items, strict=True):
        new = choose(graph, graph.and_(before, graph.not_(here)), item, old)
        assert isinstance(new, Parts)
        taken.append(graph.or_(here, before))
        items.append(new)
        before = here
    return Places(tuple(taken), tuple(items), graph.or_(bag.more, before))


def removed(graph: Graph, bag: Places, item: Symbol) -> Places:
    """The bag without its first item that is equal; what comes after it moves up."""
    taken, items = [], []
    gone = FALSE
    for i, (here, old) in enumerate(zip(bag.taken, bag.items, strict=True)):
        gone = graph.or_(gone, graph.and_(here, equal(graph, old, item)))
        last = i + 1 == len(bag.taken)
        moved = choose(graph, gone, old if last else bag.items[i + 1], old)
        assert isinstance(moved, Parts)
        taken.append(graph.ite(gone, FALSE if last else bag.taken[i + 1], here))
        items.append(moved)
    return Places(tuple(taken), tuple(items), bag.more)


def size(graph: Graph, bag: Places) -> Term:
    """How many items a bag has, at least."""
    return graph.count(0, bag.taken)


def inhabited(graph: Graph, of: Symbol, type_: Type) -> Term:
    """Whether a symbol lies within the bounds of a type whose shape it has."""
    match type_, of:
        case OptionalType(inner), Optional(known, value):
            return graph.or_(graph.not_(known), inhabited(graph, value, inner))
        case RecordType(_, fields), Parts(parts):
            return graph.and_(*(inhabited(graph, p, t) for p, (_, t) in zip(parts, fields, strict=True)))
        case ((IntType(low, high) | DecimalType(_, low, high)), int()):
            return _between(graph, Term(of), low, high)
        case TimeType(), int():
            return _between(graph, Term(of), TIME_MIN, TIME_MAX)
        case DurationType(), int():
            return _between(graph, Term(of), -DURATION_MAX, DURATION_MAX)
        case TextType(limit), int():
            return graph.fits(Term(of), limit)
        case _:
            return TRUE


def _between(graph: Graph, term: Term, low: int, high: int) -> Term:
    return graph.and_(graph.le(graph.const(low), term), graph.le(term, graph.const(high)))
