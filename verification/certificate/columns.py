"""Values as columns: an optional value has a flag, a record its fields, open calls a few places.

A column is called by what it adds to the name of a variable: nothing for a plain value, `?` for whether it is known,
`.field` for a part, `#0` for whether the first place is taken, `#0.field` for what is there, `#more` for whether there
may be anything besides. These names, and the numbers of texts, are what the invariants of a certificate are written in.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from charter.dsl.program import Program
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
from charter.verification.certificate.script import FALSE, TRUE, ZERO, Script, Sort, Term, number

STRETCH = 1_000_000  # texts that fit the same limits have numbers of one stretch

Columns: TypeAlias = Mapping[str, Term]


@dataclass(slots=True)
class Numbering:
    """The numbers of ids and texts. Longer texts have greater ones, as far as any of `limits` tells them apart."""

    limits: tuple[int, ...]
    given: Mapping[str, int] = field(default_factory=dict)
    _more: dict[str, int] = field(default_factory=dict)

    def of(self, text: str) -> Term:
        """The number of a text of the policy: the one that was given, or one that no other text has."""
        if text not in self.given and text not in self._more:
            taken = {*self.given.values(), *self._more.values()}
            free = self.first(len(text))
            while free in taken:
                free += 1
            self._more[text] = free
        return number(self.given[text] if text in self.given else self._more[text])

    def first(self, length: int) -> int:
        """Where the numbers of the texts as long as that begin."""
        return sum(limit < length for limit in self.limits) * STRETCH

    def fits(self, script: Script, text: Term, limit: int) -> Term:
        """Whether a text is at most that long."""
        return script.lt(text, number(self.first(limit + 1)))


def limits_of(program: Program) -> tuple[int, ...]:
    """How long the texts of a program may be: every limit, ascending."""
    types = [info.type for info in program.variables.values()]
    types += [type_ for info in program.events.values() for _, type_ in info.fields]
    types += [type_ for tool in program.tools.values() for _, type_ in tool.args]
    return tuple(sorted({limit for type_ in types for limit in _limits(type_)}))


def _limits(type_: Type) -> Iterator[int]:
    match type_:
        case TextType(limit):
            yield limit
        case OptionalType(of) | BagType(of):
            yield from _limits(of)
        case RecordType(_, fields):
            for _, inner in fields:
                yield from _limits(inner)


def columns(type_: Type, places: int = 0) -> list[tuple[str, Sort]]:
    """The columns of a type, with their sorts; `places` are those of open calls."""
    match type_:
        case BoolType():
            return [("", Sort.BOOL)]
        case OptionalType(of):
            return [("?", Sort.BOOL), *columns(of)]
        case RecordType(_, fields):
            return [(f".{name}{inner}", sort) for name, t in fields for inner, sort in columns(t)]
        case BagType(of):
            each = [(f"#{i}{inner}", sort) for i in range(places) for inner, sort in [("", Sort.BOOL), *columns(of)]]
            return [*each, ("#more", Sort.BOOL)]
        case _:
            return [("", Sort.INT)]


def names(type_: Type) -> list[str]:
    """The names of the columns of a type that is no bag."""
    return [name for name, _ in columns(type_)]


def constant(numbering: Numbering, value: Value, type_: Type, places: int = 0) -> Columns:
    """The columns of a plain value; where it is unknown, the rest is the least there is."""
    match type_:
        case OptionalType(of):
            return {"?": FALSE, **hollow(of)} if value is None else {"?": TRUE, **constant(numbering, value, of)}
        case RecordType(_, fields):
            assert isinstance(value, tuple)
            parts = zip(value, fields, strict=True)
            return {f".{n}{s}": term for v, (n, t) in parts for s, term in constant(numbering, v, t).items()}
        case BagType(of):
            assert isinstance(value, tuple)
            found: dict[str, Term] = {}
            for i in range(places):
                item = constant(numbering, value[i], of) if i < len(value) else hollow(of)
                found |= {f"#{i}": TRUE if i < len(value) else FALSE, **{f"#{i}{s}": t for s, t in item.items()}}
            return {**found, "#more": TRUE if len(value) > places else FALSE}
        case EnumType(_, values):
            return {"": number(values.index(str(value)))}
        case IdType() | TextType():
            return {"": numbering.of(str(value))}
        case _:
            assert isinstance(value, int)
            return {"": (TRUE if value else FALSE) if isinstance(value, bool) else number(value)}


def hollow(type_: Type) -> Columns:
    """The columns of what means nothing: an unknown value, or what is in a place that is not taken."""
    match type_:
        case BoolType():
            return {"": FALSE}
        case IntType(low) | DecimalType(_, low):
            return {"": number(low)}
        case OptionalType(of):
            return {"?": FALSE, **hollow(of)}
        case RecordType(_, fields):
            return {f".{name}{inner}": term for name, t in fields for inner, term in hollow(t).items()}
        case _:
            return {"": ZERO}


def shaped(of: Columns, like: Iterable[str]) -> Columns:
    """The same value with these columns: a plain value becomes a known optional one, and a known one plain."""
    return {name: TRUE if name.endswith("?") and name not in of else of[name] for name in like}


def plain(type_: Type) -> Type:
    """The type without its `?`."""
    return type_.of if isinstance(type_, OptionalType) else type_


def part(of: Columns, record: RecordType, index: int) -> Columns:
    """A field of a record."""
    name, type_ = record.fields[index]
    return {inner: of[f".{name}{inner}"] for inner in names(type_)}


def chosen(script: Script, c: Term, a: Columns, b: Columns) -> Columns:
    """`a` where `c`, else `b`. What is surely unknown in one may be anything there: it is as in the other."""
    if a == b:
        return a
    found: dict[str, Term] = {}
    for name, term in a.items():
        if any(a[flag] == FALSE for flag in _flags(name, a)):
            found[name] = b[name]
        elif any(b[flag] == FALSE for flag in _flags(name, b)):
            found[name] = term
        else:
            found[name] = script.ite(c, term, b[name])
    return found


def _flags(name: str, of: Columns) -> Iterable[str]:
    """The flags that say whether a column means anything, but not itself."""
    if len(of) == 1:
        return ()
    parts = name.removesuffix("?").split(".")
    prefixes = (".".join(parts[:i]) for i in range(1, len(parts) + 1))
    return [f"{p}?" for p in prefixes if f"{p}?" in of and f"{p}?" != name]


def equal(script: Script, type_: Type, a: Columns, b: Columns, at: str = "") -> Term:
    """Whether two values of a type are the same."""
    match type_:
        case OptionalType(of):
            known, other = a[f"{at}?"], b[f"{at}?"]
            same = equal(script, of, a, b, at)
            return script.and_((script.eq(known, other), script.or_((script.not_(known), same))))
        case RecordType(_, fields):
            return script.and_(equal(script, t, a, b, f"{at}.{name}") for name, t in fields)
        case BagType():
            raise TypeError("open calls are never compared")
        case _:
            return script.eq(a[at], b[at])


def inhabited(script: Script, numbering: Numbering, type_: Type, of: Columns, at: str = "") -> Term:
    """Whether a value lies within the bounds of its type; what is unknown does."""
    match type_:
        case OptionalType(inner):
            within = inhabited(script, numbering, inner, of, at)
            return script.or_((script.not_(of[f"{at}?"]), within))
        case RecordType(_, fields):
            return script.and_(inhabited(script, numbering, t, of, f"{at}.{name}") for name, t in fields)
        case IntType(low, high) | DecimalType(_, low, high):
            return _between(script, low, of[at], high)
        case TimeType():
            return _between(script, TIME_MIN, of[at], TIME_MAX)
        case DurationType():
            return _between(script, -DURATION_MAX, of[at], DURATION_MAX)
        case EnumType(_, values):
            return _between(script, 0, of[at], len(values) - 1)
        case TextType(limit):
            return numbering.fits(script, of[at], limit)
        case BoolType() | IdType() | BagType():
            return TRUE
        case _:
            assert_never(type_)


def _between(script: Script, low: int, of: Term, high: int) -> Term:
    return script.and_((script.le(number(low), of), script.le(of, number(high))))
