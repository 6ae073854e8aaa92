"""Terms as SMT-LIB text. An opaque value is a number: whether two are equal, and how long a text is, is all it means.

Texts of one class of lengths (those that fit the same limits) lie in one stretch of numbers, a million wide; the
longest class has no end, and the shortest no beginning.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields

from charter.dsl.program import (
    ActSite,
    Clause,
    Const,
    EventInfo,
    Expr,
    Program,
    Requirement,
    Text,
    VariableInfo,
    Watch,
    Write,
)
from charter.dsl.types import BagType, EnumType, OptionalType, RecordType, TextType, Type, Value
from charter.verification.encode.terms import Graph, Op, Scalar, Sort, Term, mentioned

STRETCH = 1_000_000

SPELLED = {Op.NOT: "not", Op.AND: "and", Op.OR: "or", Op.ITE: "ite", Op.EQ: "=", Op.LE: "<=", Op.ADD: "+", Op.MUL: "*"}


@dataclass(slots=True)
class Codes:
    """The numbers of opaque values. `limits`: how long texts may be, each once, ascending."""

    limits: tuple[int, ...]
    numbers: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "Codes":
        """The same numbers, to which others may be added."""
        return Codes(self.limits, dict(self.numbers))

    def of(self, text: str) -> int:
        """The number of a value that a policy writes."""
        if text not in self.numbers:
            self.numbers[text] = self._class(len(text)) * STRETCH + len(self.numbers)
        return self.numbers[text]

    def below(self, limit: int) -> int:
        """Texts that are at most `limit` long have smaller numbers."""
        return (self.limits.index(limit) + 1) * STRETCH

    def text(self, number: int, limit: int | None) -> str:
        """A value for a number of a model; different ones for different numbers. `limit`: how long it may be."""
        for text, known in self.numbers.items():
            if known == number:
                return text
        place = max(0, min(number // STRETCH, len(self.limits)))
        shortest = 0 if place == 0 else self.limits[place - 1] + 1
        name = str(number - place * STRETCH)
        if limit is not None and len(name) > limit:
            name = chr(ord("a") + number % 26)
        return name.ljust(shortest, "…")

    def _class(self, length: int) -> int:
        return sum(limit < length for limit in self.limits)


def sort_of(sort: Sort) -> str:
    """The sort of a term in SMT-LIB."""
    return "Bool" if sort is Sort.BOOL else "Int"


def value(of: Scalar, codes: Codes) -> str:
    """A plain value."""
    if isinstance(of, bool):
        return str(of).lower()
    number = codes.of(of) if isinstance(of, str) else of
    return str(number) if number >= 0 else f"(- {-number})"


def definitions(
    graph: Graph, roots: Iterable[Term], codes: Codes, var: Callable[[Term], str], suffix: str
) -> tuple[list[str], Callable[[Term], str]]:
    """One line for each term that the roots are made of, and how each is called. `var` names variables.

    A text with slots has no line of its own: it is called by its place and must be declared, as any opaque value.
    """
    lines: list[str] = []
    names: dict[Term, str] = {}
    for term in mentioned(graph, roots):
        match graph.op[term]:
            case Op.CONST:
                data = graph.data[term]
                assert isinstance(data, bool | int | str)
                names[term] = value(data, codes)
                continue
            case Op.VAR | Op.RENDER:
                names[term] = var(term)
                continue
        name = f"n{term}{suffix}"
        body = _body(graph, term, [names[a] for a in graph.args[term]], codes)
        lines.append(f"(define-fun {name} () {sort_of(graph.sort[term])} {body})")
        names[term] = name
    return lines, names.__getitem__


def written(graph: Graph, term: Term, codes: Codes, var: Callable[[Term], str]) -> str:
    """A small term in one piece; `var` names variables."""
    if graph.op[term] is Op.CONST:
        data = graph.data[term]
        assert isinstance(data, bool | int | str)
        return value(data, codes)
    if graph.op[term] in (Op.VAR, Op.RENDER):
        return var(term)
    return _body(graph, term, [written(graph, a, codes, var) for a in graph.args[term]], codes)


def _body(graph: Graph, term: Term, args: list[str], codes: Codes) -> str:
    op, data = graph.op[term], graph.data[term]
    match op:
        case Op.COUNT:
            assert isinstance(data, int)
            low = str(data) if data >= 0 else f"(- {-data})"
            return f"(+ {low} {' '.join(f'(ite {a} 1 0)' for a in args)})"
        case Op.FITS:
            assert isinstance(data, int)
            return f"(< {args[0]} {codes.below(data)})"
        case _:
            return f"({SPELLED[op]} {' '.join(args)})"


def codes_of(program: Program) -> Codes:
    """Numbers for the opaque values of a program, the same each time: all that it mentions, and all lengths it asks."""
    types = [info.type for info in program.variables.values()]
    types += [t for info in program.events.values() for _, t in info.fields]
    types += [t for tool in program.tools.values() for _, t in tool.args]
    codes = Codes(tuple(sorted({limit for type_ in types for limit in _limits(type_)})))
    for text in sorted({"", *_texts(program)}):
        codes.of(text)
    return codes


def _texts(node: object) -> Iterator[str]:
    """Every id and text that a program mentions."""
    if isinstance(node, Const):
        if not isinstance(node.type, EnumType):
            yield from _strings(node.value)
    elif isinstance(node, Text) and all(isinstance(part, str) for part in node.parts):
        yield "".join(str(part) for part in node.parts)
    elif isinstance(node, Mapping):
        yield from (text for item in node.values() for text in _texts(item))
    elif isinstance(node, tuple):
        yield from (text for item in node for text in _texts(item))
    elif isinstance(node, Program | Clause | Write | ActSite | Requirement | Watch | Expr | EventInfo | VariableInfo):
        yield from (text for each in fields(node) for text in _texts(getattr(node, each.name)))


def _strings(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _strings(item)


def _limits(type_: Type) -> Iterator[int]:
    match type_:
        case TextType(limit):
            yield limit
        case OptionalType(of) | BagType(of):
            yield from _limits(of)
        case RecordType(_, fields):
            for _, field_type in fields:
                yield from _limits(field_type)
