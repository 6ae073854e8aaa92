"""Random expressions as policy text: well typed, and every read of what may be unknown is guarded."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from charter.dsl.types import (
    BOOL,
    DURATION,
    TIME,
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
    decimal_text,
)
from charter.dsl.values import duration_text

IDS = ("a", "b", "c-1")
TIMES = ("2026-01-31", "2026-01-31T09:30:00Z", "2026-02-01T00:00:00+01:00")
TEXTS = (('""', 0), ('"x"', 1), ('"\\""', 1), ('"grüß dich"', 9))  # as written, and how long that is
DURATIONS = (0, 1, 500, 1_000, 5_000, 60_000, 3_600_000, 172_800_000)
SMALL = 1_000_000  # arithmetic on numbers within this never leaves 64 bits


@dataclass(frozen=True, slots=True)
class Leaf:
    """Something that can be read, as it is written, and its type."""

    text: str
    type: Type


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as it is written, and what is known where it holds, and where it does not."""

    text: str
    known: frozenset[str] = frozenset()
    known_if_not: frozenset[str] = frozenset()

    @property
    def closed(self) -> str:
        """The condition where only a term may stand."""
        return f"({self.text})"


@dataclass(frozen=True, slots=True)
class Formula:
    """A define with parameters: a condition."""

    name: str
    params: tuple[tuple[str, Type], ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """What an expression may mention at some place, and what is known there."""

    leaves: tuple[Leaf, ...] = ()
    tests: tuple[Condition, ...] = ()
    formulas: tuple[Formula, ...] = ()
    known: frozenset[str] = field(default=frozenset())

    def knowing(self, texts: frozenset[str]) -> "Sight":
        """The same place where these are known too."""
        return replace(self, known=self.known | texts)


def condition(rng: Random, sight: Sight, depth: int = 2) -> Condition:
    """A condition over what is in sight."""
    chance = rng.random()
    if depth > 0 and chance < 0.3:
        return _junction(rng, sight, depth)
    if depth > 0 and chance < 0.4:
        inner = condition(rng, sight, depth - 1)
        return Condition(f"not {inner.closed}", inner.known_if_not, inner.known)
    return _term(rng, sight, depth)


def value(rng: Random, wanted: Type, sight: Sight, depth: int = 1, *, sure: bool = True) -> str:
    """A value of the wanted type; unless `sure`, it may lie outside its bounds now and then."""
    if isinstance(wanted, OptionalType):
        if rng.random() < 0.3:
            same = [leaf.text for leaf in _readable(sight) if leaf.type == wanted]
            return rng.choice([*same, "unknown"])
        return value(rng, wanted.of, sight, depth, sure=sure)
    fits = _fits if sure or rng.random() < 0.9 else alike
    same = [leaf.text for leaf in _certain(sight) if fits(leaf.type, wanted)]
    if same and rng.random() < 0.55:
        return rng.choice(same)
    if depth > 0:
        match wanted:
            case RecordType(name, fields):
                parts = (f"{label}: {value(rng, type_, sight, depth - 1)}" for label, type_ in fields)
                return f"{name}({', '.join(parts)})"
            case BoolType() if rng.random() < 0.4:
                return condition(rng, sight, depth - 1).closed
            case IntType() | DecimalType() | TimeType() | DurationType() if rng.random() < 0.15:
                if not sure or isinstance(wanted, TimeType | DurationType):
                    return _sum(rng, wanted, sight) or literal(rng, wanted)
    return literal(rng, wanted)


def literal(rng: Random, wanted: Type) -> str:
    """A written-out value of the type, often at its bounds."""
    match wanted:
        case OptionalType(of):
            return "unknown" if rng.random() < 0.3 else literal(rng, of)
        case BoolType():
            return rng.choice(("true", "false"))
        case IntType(low, high):
            return str(_number(rng, low, high))
        case DecimalType(places, low, high):
            return decimal_text(_number(rng, low, high), places)
        case EnumType(_, values):
            return rng.choice(values)
        case IdType():
            return f'"{rng.choice(IDS)}"'
        case TextType(limit):
            return rng.choice([token for token, length in TEXTS if length <= limit])
        case TimeType():
            return rng.choice(TIMES)
        case DurationType():
            return duration_text(rng.choice(DURATIONS))
        case RecordType(name, fields):
            return f"{name}({', '.join(f'{label}: {literal(rng, type_)}' for label, type_ in fields)})"
        case BagType():
            raise TypeError("a policy never writes a bag")


def alike(have: Type, wanted: Type) -> bool:
    """Whether a value of one type can stand for one of the other, bounds aside."""
    match have, wanted:
        case (IntType(), IntType()) | (TextType(), TextType()):
            return True
        case DecimalType(places), DecimalType(others):
            return places == others
        case _:
            return have == wanted


def _fits(have: Type, wanted: Type) -> bool:
    match have, wanted:
        case (IntType(a, b), IntType(c, d)) | (DecimalType(_, a, b), DecimalType(_, c, d)):
            return alike(have, wanted) and c <= a and b <= d
        case TextType(some), TextType(limit):
            return some <= limit
        case _:
            return alike(have, wanted)


def _number(rng: Random, low: int, high: int) -> int:
    near = {low, low + 1, 0, 1, 2, high // 2, high - 1, high}
    return rng.choice(sorted(n for n in near if low <= n <= high))


# --- what can be read ------------------------------------------------------------------------------------------------


def _readable(sight: Sight) -> Iterator[Leaf]:
    """Everything in sight, and the fields of records that are known."""
    for leaf in sight.leaves:
        yield leaf
        yield from _parts(leaf, sight)


def _parts(leaf: Leaf, sight: Sight) -> Iterator[Leaf]:
    plain = leaf.type.of if isinstance(leaf.type, OptionalType) and leaf.text in sight.known else leaf.type
    if isinstance(plain, RecordType):
        for label, type_ in plain.fields:
            part = Leaf(f"{leaf.text}.{label}", type_)
            yield part
            yield from _parts(part, sight)


def _certain(sight: Sight) -> Iterator[Leaf]:
    """What can be read as a plain value."""
    for leaf in _readable(sight):
        if not isinstance(leaf.type, OptionalType):
            yield leaf
        elif leaf.text in sight.known:
            yield Leaf(leaf.text, leaf.type.of)


# --- conditions ------------------------------------------------------------------------------------------------------


def _junction(rng: Random, sight: Sight, depth: int) -> Condition:
    op = rng.choice(("and", "or"))
    parts: list[Condition] = []
    for _ in range(rng.choice((2, 2, 3))):
        parts.append(condition(rng, sight, depth - 1))
        sight = sight.knowing(parts[-1].known if op == "and" else parts[-1].known_if_not)
    text = f" {op} ".join(part.closed if " or " in part.text or " and " in part.text else part.text for part in parts)
    known, not_known = [part.known for part in parts], [part.known_if_not for part in parts]
    if op == "and":
        return Condition(text, frozenset().union(*known), frozenset.intersection(*not_known))
    return Condition(text, frozenset.intersection(*known), frozenset().union(*not_known))


def _term(rng: Random, sight: Sight, depth: int) -> Condition:
    chance = rng.random()
    if sight.tests and chance < 0.15:
        return rng.choice(sight.tests)
    if sight.formulas and chance < 0.25:
        return _formula(rng, sight, depth)
    perhaps = [
        leaf for leaf in _readable(sight) if isinstance(leaf.type, OptionalType) and leaf.text not in sight.known
    ]
    if perhaps and chance < 0.55:
        return _guarded(rng, rng.choice(perhaps), sight, depth)
    certain = [leaf for leaf in _certain(sight) if _comparable(leaf.type)]
    if not certain:
        return Condition(rng.choice(("true", "false", f"now > {TIMES[0]}")))
    return Condition(_comparison(rng, rng.choice(certain), sight))


def _guarded(rng: Random, leaf: Leaf, sight: Sight, depth: int) -> Condition:
    """A condition about something that may be unknown."""
    plain = leaf.type.of if isinstance(leaf.type, OptionalType) else leaf.type
    it = frozenset({leaf.text})
    chance = rng.random()
    if chance < 0.15 or not _comparable(plain):
        return Condition(f"{leaf.text} is known", it, frozenset())
    if chance < 0.25:
        return Condition(f"{leaf.text} is unknown", frozenset(), it)
    if chance < 0.65 or depth == 0:
        op = rng.choice(_operators(plain))
        return Condition(f"{leaf.text} known{op} {_other(rng, leaf, plain, sight)}", it, frozenset())
    inside = sight.knowing(it)
    comparison = _comparison(rng, Leaf(leaf.text, plain), inside)
    if chance < 0.85:
        return Condition(f"{leaf.text} is known and {comparison}", it, frozenset())
    return Condition(f"{leaf.text} is unknown or {comparison}", frozenset(), it)


def _formula(rng: Random, sight: Sight, depth: int) -> Condition:
    formula = rng.choice(sight.formulas)
    args = [f"{label}: {value(rng, type_, sight, depth - 1)}" for label, type_ in formula.params]
    if len(args) == 1 and rng.random() < 0.3:
        args = [args[0].split(": ", 1)[1]]
    return Condition(f"{formula.name}({', '.join(args)})")


def _comparison(rng: Random, leaf: Leaf, sight: Sight) -> str:
    """A condition about a plain value."""
    chance = rng.random()
    if isinstance(leaf.type, BoolType):
        return leaf.text if chance < 0.6 else f"{leaf.text} {rng.choice(('==', '!='))} {literal(rng, BOOL)}"
    if chance < 0.2 and isinstance(leaf.type, EnumType | IdType | IntType):
        items = {literal(rng, leaf.type): None for _ in range(3)}
        return f"{leaf.text} in {{ {', '.join(items)} }}"
    if chance < 0.4:
        total = _sum(rng, leaf.type, sight)
        if total is not None:
            return f"{total} {_ordered(rng)} {literal(rng, leaf.type)}"
    if chance < 0.5 and isinstance(leaf.type, TimeType):
        return f"now - {leaf.text} {_ordered(rng)} {literal(rng, DURATION)}"
    if chance > 0.95 and isinstance(leaf.type, IntType | DecimalType | EnumType):
        return f"{literal(rng, leaf.type)} {rng.choice(('==', '!='))} {leaf.text}"
    return f"{leaf.text} {rng.choice(_operators(leaf.type))} {_other(rng, leaf, leaf.type, sight)}"


def _other(rng: Random, leaf: Leaf, type_: Type, sight: Sight) -> str:
    """The other side of a comparison: a literal, or another value of the kind."""
    others = [other.text for other in _certain(sight) if alike(other.type, type_) and other.text != leaf.text]
    return rng.choice(others) if others and rng.random() < 0.3 else literal(rng, type_)


def _sum(rng: Random, type_: Type, sight: Sight) -> str | None:
    """Arithmetic of this type, or None where nothing in sight allows it."""
    terms = [leaf.text for leaf in _certain(sight) if alike(leaf.type, type_) and _small(leaf.type)]
    if isinstance(type_, DurationType):
        times = [leaf.text for leaf in _certain(sight) if leaf.type == TIME]
        if len(times) > 1 and rng.random() < 0.5:
            return " - ".join(rng.sample(times, 2))
    if not terms or not _small(type_):
        return None
    first = rng.choice(terms)
    match type_:
        case TimeType():
            return f"{first} {rng.choice('+-')} {literal(rng, DURATION)}"
        case IntType() | DecimalType() if rng.random() < 0.3:
            return f"{first} * {rng.choice(('2', '3', '(1 + 1)'))}"
        case IntType() | DecimalType() | DurationType():
            negative = "-" if rng.random() < 0.2 else ""
            second = rng.choice([*terms, literal(rng, type_)])
            return f"{negative}{first} {rng.choice('+-')} {second}"
        case _:
            return None


def _small(type_: Type) -> bool:
    match type_:
        case IntType(low, high) | DecimalType(_, low, high):
            return low >= -SMALL and high <= SMALL
        case TimeType() | DurationType():
            return True
        case _:
            return False


def _comparable(type_: Type) -> bool:
    """Whether `==` means something: texts are opaque, in records too."""
    match type_:
        case TextType() | BagType():
            return False
        case RecordType(_, fields):
            return all(_comparable(of.of if isinstance(of, OptionalType) else of) for _, of in fields)
        case _:
            return True


def _operators(type_: Type) -> tuple[str, ...]:
    match type_:
        case IntType() | DecimalType() | TimeType() | DurationType():
            return "==", "!=", "<", "<=", ">", ">="
        case _:
            return "==", "!="


def _ordered(rng: Random) -> str:
    return rng.choice(("==", "!=", "<", "<=", ">", ">="))
