"""A program's expressions as Python source text, for straight-line functions that are compiled once.

INVARIANT: the text holds generated names, operators and positions only. Every word, value and type of the policy stands
in a table of constants beside it, so nothing that a policy says can become code.

Functions are total: where the language promises that an optional value is known, they give an arbitrary value for an
unknown one instead of raising, so that the kernel may ask for every part of a guard, reached or not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

from charter.dsl.program import (
    And,
    Arithmetic,
    Compare,
    Comparison,
    Const,
    Contains,
    Expr,
    Its,
    Known,
    Make,
    Not,
    Operation,
    Or,
    Part,
    Program,
    Read,
    Size,
    Text,
    With,
    Without,
    type_of,
)
from charter.dsl.types import OptionalType, RecordType, Type, Value
from charter.dsl.values import spell

Fields: TypeAlias = Mapping[str, Type]

SCOPE = "o, f, e, now"
"""What every expression can see: old variables, final variables, the fields of what is observed, and the time."""

_COMPARISONS: Mapping[Comparison, str] = {
    Comparison.EQ: "==",
    Comparison.NE: "!=",
    Comparison.LT: "<",
    Comparison.LE: "<=",
    Comparison.GT: ">",
    Comparison.GE: ">=",
}
_OPERATIONS: Mapping[Operation, str] = {Operation.ADD: "+", Operation.SUB: "-", Operation.MUL: "*"}
_DEEPEST = 20  # parentheses that one function nests; CPython's own parser gives up at 200


@dataclass(frozen=True, slots=True)
class _Code:
    """The text of an expression, whether its value may be None, and how deep its parentheses nest."""

    text: str
    unknown: bool
    depth: int


class Source:
    """Functions being written. `expression` gives text for the body of one, `function` adds one, `compiled` ends it."""

    __slots__ = ("_constants", "_functions", "_names", "_program", "_temporaries")

    def __init__(self, program: Program) -> None:
        self._program = program
        self._constants: dict[str, Any] = {"spell": spell, "without": _without}
        self._names: dict[object, str] = {}
        self._functions: list[str] = []
        self._temporaries = 0

    def constant(self, value: object) -> str:
        """The name under which a value of the policy, or an object of ours, stands beside the text."""
        # True == 1 and (True,) == (1,), which a policy tells apart: so not by equality.
        key = ("value", repr(value)) if isinstance(value, bool | int | str | tuple | None) else ("object", id(value))
        if key not in self._names:
            self._names[key] = f"k{len(self._names)}"
            self._constants[self._names[key]] = value
        return self._names[key]

    def function(self, parameters: str, lines: Iterable[str]) -> str:
        """Adds a function with these lines as its body, and gives its name."""
        name = f"x{len(self._functions)}"
        body = list(lines) or ["pass"]
        self._functions.append("\n    ".join([f"def {name}({parameters}):", *body]))
        return name

    def expression(self, expr: Expr, fields: Fields | None) -> str:
        """The text of an expression in a function over `SCOPE`; `fields` are those it observes, None if several."""
        return self._code(expr, fields).text

    def number(self, expr: Expr, fields: Fields | None) -> str:
        """The text of a whole number or truth value that is 0 where it is unknown."""
        code = self._code(expr, fields)
        return f"({code.text} or 0)" if code.unknown else code.text

    @property
    def text(self) -> str:
        """What has been written so far."""
        return "\n".join(self._functions) + "\n"

    def compiled(self) -> Mapping[str, Any]:
        """The functions by name. The source is finished with this."""
        names = self._constants
        exec(compile(self.text, "<policy>", "exec"), names)
        return names

    def _code(self, expr: Expr, fields: Fields | None) -> _Code:
        code = self._plain(expr, fields)
        if code.depth < _DEEPEST:
            return code
        name = self.function(SCOPE, [f"return {code.text}"])
        return _Code(f"{name}({SCOPE})", code.unknown, 1)

    def _plain(self, expr: Expr, fields: Fields | None) -> _Code:
        match expr:
            case Const(value):
                return _Code(self.constant(value), value is None, 0)
            case Read(variable, _, old):
                optional = isinstance(self._program.variables[variable].type, OptionalType)
                return _Code(f"{'o' if old else 'f'}[{self.constant(variable)}]", optional, 0)
            case Its("now"):
                return _Code("now", False, 0)
            case Its(name):
                known = fields is not None and name in fields and not isinstance(fields[name], OptionalType)
                return _Code(f"e[{self.constant(name)}]", not known, 0)
            case Part(of, index):
                return self._part(self._code(of, fields), type_of(of), index)
            case Make(_, parts):
                return self._joined("({})", [self._code(part, fields) for part in parts], ", ", ",")
            case Known(of):
                inner = self._code(of, fields)
                return _Code(f"({inner.text} is not None)", False, inner.depth + 1)
            case Not(of):
                inner = self._code(of, fields)
                return _Code(f"(not {inner.text})", False, inner.depth + 1)
            case And(parts):
                return self._condition([self._code(part, fields) for part in parts], " and ", "True")
            case Or(parts):
                return self._condition([self._code(part, fields) for part in parts], " or ", "False")
            case Compare(op, left, right):
                ordered = op not in (Comparison.EQ, Comparison.NE)
                return self._compare(_COMPARISONS[op], self._code(left, fields), self._code(right, fields), ordered)
            case Arithmetic(op, left, right):
                return self._arithmetic(_OPERATIONS[op], self._code(left, fields), self._code(right, fields))
            case Contains(bag, item):
                return self._joined("({})", [self._code(item, fields), self._code(bag, fields)], " in ")
            case Size(bag):
                return self._joined("len({})", [self._code(bag, fields)])
            case With(bag, item):
                return self._joined("(*{})", [self._code(bag, fields), self._code(item, fields)], ", ")
            case Without(bag, item):
                return self._joined("without({})", [self._code(bag, fields), self._code(item, fields)], ", ")
            case Text(parts):
                return self._joined('"".join(({}))', [self._spelled(part, fields) for part in parts], ", ", ",")
            case _:
                assert_never(expr)

    def _joined(self, form: str, parts: list[_Code], by: str = "", end: str = "") -> _Code:
        """Known, whatever its parts are. `end` follows the last part, as a tuple of one needs it."""
        inside = by.join(part.text for part in parts) + (end if parts else "")
        return _Code(form.format(inside), False, 1 + max((part.depth for part in parts), default=0))

    def _condition(self, parts: list[_Code], by: str, empty: str) -> _Code:
        unknown = any(part.unknown for part in parts)
        joined = self._joined("({})", parts, by) if parts else _Code(empty, False, 0)
        return _Code(joined.text, unknown, joined.depth)

    def _part(self, of: _Code, type_: Type, index: int) -> _Code:
        record = type_.of if isinstance(type_, OptionalType) else type_
        optional = not isinstance(record, RecordType) or isinstance(record.fields[index][1], OptionalType)
        if not of.unknown:
            return _Code(f"{of.text}[{index:d}]", optional, of.depth + 1)
        t = self._temporary()
        return _Code(f"(None if ({t} := {of.text}) is None else {t}[{index:d}])", True, of.depth + 2)

    def _compare(self, op: str, left: _Code, right: _Code, ordered: bool) -> _Code:
        depth = 2 + max(left.depth, right.depth)
        if not ordered or not (left.unknown or right.unknown):
            return _Code(f"({left.text} {op} {right.text})", False, depth)
        a, b = self._temporary(), self._temporary()
        known = f"({a} := {left.text}) is not None and ({b} := {right.text}) is not None"
        return _Code(f"({known} and {a} {op} {b})", False, depth)

    def _arithmetic(self, op: str, left: _Code, right: _Code) -> _Code:
        depth = 2 + max(left.depth, right.depth)
        if not (left.unknown or right.unknown):
            return _Code(f"({left.text} {op} {right.text})", False, depth)
        a, b = self._temporary(), self._temporary()
        unknown = f"({a} := {left.text}) is None or ({b} := {right.text}) is None"
        return _Code(f"(None if {unknown} else {a} {op} {b})", True, depth)

    def _spelled(self, part: str | Expr, fields: Fields | None) -> _Code:
        if isinstance(part, str):
            return _Code(self.constant(part), False, 0)
        inner = self._code(part, fields)
        return _Code(f"spell({inner.text}, {self.constant(type_of(part))})", False, inner.depth + 1)

    def _temporary(self) -> str:
        self._temporaries += 1
        return f"t{self._temporaries}"


def _without(bag: tuple[Value, ...], item: Value) -> tuple[Value, ...]:
    """The bag with its first `item` left out."""
    for at, held in enumerate(bag):
        if held == item:
            return bag[:at] + bag[at + 1 :]
    return bag
