"""From written expressions to typed ones: names resolved, literals scaled, every read of an unknown guarded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from charter.dsl import environment
from charter.dsl import program as p
from charter.dsl import syntax as s
from charter.dsl.diagnostics import Code, Related, did_you_mean
from charter.dsl.findings import Findings
from charter.dsl.known import known_if
from charter.dsl.names import Names, Parameters
from charter.dsl.program import Expr, Variable
from charter.dsl.source import Span
from charter.dsl.types import (
    BOOL,
    DURATION,
    ID,
    INT64_MAX,
    INT64_MIN,
    TIME,
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
    inhabits,
    optional,
    spelled,
)
from charter.dsl.values import Misfit, parse_time
from charter.dsl.written import duration_ms, read_type, scale


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may mention.

    `its`: the fields of what is observed, and what that is, for people. `old`: facts that are read as they were before
    the rules. `known`: optional expressions that are known here. `variables`: false where no state may be read.
    """

    names: Names
    findings: Findings
    its: Parameters | None = None
    its_of: str = ""
    old: frozenset[str] = frozenset()
    known: frozenset[Expr] = frozenset()
    locals: Mapping[str, Expr] = field(default_factory=dict)
    expanding: tuple[str, ...] = ()
    variables: bool = True
    expanded: bool = False  # inside a define that is used, where a `T?` parameter may stand for a plain value

    def knowing(self, *conditions: Expr) -> "Scope":
        """The same scope where these conditions hold."""
        return replace(self, known=self.known.union(*(known_if(condition, True) for condition in conditions)))


@dataclass(frozen=True, slots=True)
class Ill:
    """An expression with a mistake, which is reported; what contains it is ill too, silently."""


ILL = Ill()


def condition(syntax: s.Expr, scope: Scope) -> Expr:
    """A written condition; where it has a mistake, which is reported, true."""
    found = typed(syntax, scope, BOOL)
    return p.TRUE if isinstance(found, Ill) else found


def typed(syntax: s.Expr, scope: Scope, wanted: Type) -> Expr | Ill:
    """The expression as a value of the wanted type; a mismatch is reported."""
    found = _expr(syntax, scope, wanted)
    if isinstance(found, Ill):
        return ILL
    return _fit(found, wanted, scope, syntax.span)


def variable_of(names: Names, name: str, findings: Findings, span: Span) -> tuple[Variable, Type] | None:
    """A declared fact's variable and type; what is no fact is reported."""
    if name in names.facts:
        return Variable(name), names.facts[name].type
    kind = _kind_of(names, name)
    if kind:
        findings.error(Code.WRONG_KIND, f"`{name}` is {kind}, not a fact", span)
    else:
        findings.error(Code.UNKNOWN_NAME, f"there is no fact `{name}`", span, did_you_mean(name, names.facts))
    return None


def arguments(
    written: tuple[s.Argument, ...], parameters: Parameters, scope: Scope, of: str, span: Span
) -> tuple[tuple[str, Expr], ...] | Ill:
    """The arguments by name, in declared order; each must be written once, and none besides. Unlabelled where one."""
    given: dict[str, s.Argument] = {}
    sound = True
    for argument in written:
        label = argument.label.text if argument.label else None
        if label is None and len(parameters.fields) == 1:
            label = parameters.fields[0][0]
        if label is None:
            names = " or ".join(f"`{name}: …`" for name, _ in parameters.fields)
            message = f"{of} takes no argument"
            if names:
                message = f"{of} takes {len(parameters.fields)} arguments, so each says its name"
            scope.findings.error(Code.ARGUMENTS, message, argument.span, f"write {names}" if names else None)
            sound = False
        elif parameters.get(label) is None:
            help_ = did_you_mean(label, (n for n, _ in parameters.fields))
            scope.findings.error(Code.ARGUMENTS, f"{of} has no `{label}`", argument.span, help_)
            sound = False
        elif label in given:
            scope.findings.error(Code.ARGUMENTS, f"`{label}` is given twice", argument.span)
            sound = False
        else:
            given[label] = argument
    missing = [name for name, _ in parameters.fields if name not in given]
    if missing and sound:
        listed = ", ".join(f"`{name}`" for name in missing)
        scope.findings.error(Code.ARGUMENTS, f"{of} needs {listed}", span)
        sound = False
    values = {name: _argument(given[name].value, scope, t) for name, t in parameters.fields if name in given}
    done = tuple((name, value) for name, value in values.items() if not isinstance(value, Ill))
    return done if sound and len(done) == len(parameters.fields) else ILL


def _argument(syntax: s.Expr, scope: Scope, wanted: Type) -> Expr | Ill:
    """A value that surely lies within the bounds of its type: nothing judges an argument once it is given."""
    found = typed(syntax, scope, wanted)
    if not isinstance(found, Ill) and not isinstance(found, p.Const) and not _within(_plain(found), wanted):
        have = spelled(_plain(found))
        message = f"this is `{have}`, which may lie outside `{spelled(wanted)}`"
        scope.findings.error(Code.RANGE, message, syntax.span, "declare bounds that fit")
        return ILL
    return found


def _within(inner: Type, outer: Type) -> bool:
    match inner, outer.of if isinstance(outer, OptionalType) else outer:
        case (IntType(low, high), IntType(least, most)) | (DecimalType(_, low, high), DecimalType(_, least, most)):
            return least <= low and high <= most
        case TextType(length), TextType(limit):
            return length <= limit
        case _:
            return True


# --- fitting a value to the type that is wanted ----------------------------------------------------------------------


def _fit(found: Expr, wanted: Type, scope: Scope, span: Span) -> Expr | Ill:
    have = p.type_of(found)
    if isinstance(found, p.Const) and found.value is None:
        if isinstance(wanted, OptionalType):
            return p.Const(None, wanted)
        if found in scope.known:  # given to a define, behind a guard that never holds then
            return found
        scope.findings.error(Code.MAYBE_UNKNOWN, f"`unknown` is no `{spelled(wanted)}`", span)
        return ILL
    plain = have.of if isinstance(have, OptionalType) else have
    target = wanted.of if isinstance(wanted, OptionalType) else wanted
    if not _same_kind(plain, target):
        scope.findings.error(Code.TYPE, f"this is {_kind_of_value(have)}, where `{spelled(wanted)}` is wanted", span)
        return ILL
    if isinstance(have, OptionalType) and not isinstance(wanted, OptionalType):
        return _certain(found, scope, span)
    if isinstance(found, p.Const) and not inhabits(found.value, target):
        scope.findings.error(Code.RANGE, f"this lies outside `{spelled(target)}`", span)
        return ILL
    return found


def _certain(found: Expr, scope: Scope, span: Span) -> Expr | Ill:
    """The expression, if it is known here; otherwise its author is told how to guard it."""
    if not isinstance(p.type_of(found), OptionalType) or found in scope.known:
        return found
    name = _as_written(found)
    message = f"`{name}` may be unknown here" if name else "this may be unknown here"
    help_ = f"guard it with `{name or '…'} is known and …`, or compare it with `known==`, `known!=`, `known<` …"
    scope.findings.error(Code.MAYBE_UNKNOWN, message, span, help_)
    return ILL


def _as_written(found: Expr) -> str | None:
    """A simple expression as its author wrote it; None for others."""
    match found:
        case p.Read(variable):
            return variable if " " not in variable else None
        case p.Its(name):
            return f"its {name}"
        case p.Part(of, index):
            whole, record = _as_written(of), _plain(of)
            return f"{whole}.{record.fields[index][0]}" if whole and isinstance(record, RecordType) else None
        case _:
            return None


def _kind_of_value(type_: Type) -> str:
    """A type in a message; a literal number has no bounds of its own."""
    literal = isinstance(type_, IntType | DecimalType) and type_.low == type_.high
    return "a number" if literal else f"`{spelled(type_)}`"


def _same_kind(left: Type, right: Type) -> bool:
    """Whether values of two plain types can be compared or stored for each other; bounds are not looked at."""
    match left, right:
        case (IntType(), IntType()) | (TextType(), TextType()):
            return True
        case DecimalType(places), DecimalType(others):
            return places == others
        case _:
            return left == right


# --- one expression --------------------------------------------------------------------------------------------------


def _expr(syntax: s.Expr, scope: Scope, wanted: Type | None) -> Expr | Ill:
    """The expression; `wanted` only helps a literal to find its type."""
    hint = wanted.of if isinstance(wanted, OptionalType) else wanted
    match syntax:
        case s.Number(text, span):
            return _number(text, hint, scope, span)
        case s.Negative(s.Number(text), span):
            return _number("-" + text, hint, scope, span)
        case s.Negative(of, span):
            return _negative(of, scope, hint, span)
        case s.String(text, span):
            return _string(text, hint, scope, span)
        case s.Duration():
            return p.Const(duration_ms(syntax, scope.findings), DURATION)
        case s.Time(text, span):
            return _time(text, scope, span)
        case s.Boolean(value):
            return p.Const(value, BOOL)
        case s.Unknown():
            return p.Const(None, optional(hint) if hint else OptionalType(BOOL))
        case s.Ref(name, span):
            return _ref(name, scope, hint, span)
        case s.Its(name, span):
            return _its(name, scope, span)
        case s.Was(name, _):
            return _was(name, scope)
        case s.Dot(of, name):
            return _dot(of, name, scope)
        case s.Apply(name, args, span):
            return _apply(name, args, scope, span)
        case s.Not(of):
            inner = typed(of, scope, BOOL)
            return ILL if isinstance(inner, Ill) else p.Not(inner)
        case s.Junction(op, parts):
            return _junction(op, parts, scope)
        case s.Comparison(op, known, left, right, span):
            return _comparison(op, known, left, right, scope, span)
        case s.Arithmetic(op, left, right, span):
            return _arithmetic(op, left, right, scope, hint, span)
        case s.InSet(of, items, span):
            return _in_set(of, items, scope, span)
        case s.IsKnown(of, known, span):
            return _is_known(of, known, scope, span)
        case _:
            assert_never(syntax)


def _number(text: str, hint: Type | None, scope: Scope, span: Span) -> Expr | Ill:
    places = hint.places if isinstance(hint, DecimalType) else 0
    if hint is None and "." in text:
        places = len(text.split(".")[1])
    scaled = scale(text, places)
    if scaled is None:
        what = f"at most {places} decimal places" if places else "no decimal places"
        scope.findings.error(Code.RANGE, f"`{text}` has more places than its type, which has {what}", span)
        return ILL
    if not INT64_MIN <= scaled <= INT64_MAX:
        scope.findings.error(Code.RANGE, f"`{text}` does not fit 64 bits", span)
        return ILL
    type_ = DecimalType(places, scaled, scaled) if places else IntType(scaled, scaled)
    return p.Const(scaled, type_)


def _negative(of: s.Expr, scope: Scope, hint: Type | None, span: Span) -> Expr | Ill:
    inner = _expr(of, scope, hint)
    if isinstance(inner, Ill):
        return ILL
    type_ = _numeric(inner, scope, of.span)
    if type_ is None:
        return ILL
    return _bounded(p.Operation.SUB, p.Const(0, type_), inner, scope, span)


def _string(text: str, hint: Type | None, scope: Scope, span: Span) -> Expr | Ill:
    if isinstance(hint, TextType):
        return p.Const(text, TextType(max(1, len(text))))
    if isinstance(hint, EnumType):
        scope.findings.error(Code.TYPE, "a value of an enum is written without quotes", span)
        return ILL
    return p.Const(text, ID)


def _time(text: str, scope: Scope, span: Span) -> Expr | Ill:
    try:
        return p.Const(parse_time(text if "T" in text else f"{text}T00:00:00Z", "time"), TIME)
    except Misfit:
        scope.findings.error(Code.RANGE, f"`{text}` is no point in time", span, "write it as `2026-01-31T09:30:00Z`")
        return ILL


def _ref(name: str, scope: Scope, hint: Type | None, span: Span) -> Expr | Ill:
    names = scope.names
    if name in scope.locals:
        return scope.locals[name]
    if name == "now":
        return p.Its("now", TIME)
    if name in names.facts:
        if not scope.variables:
            scope.findings.error(Code.WRONG_KIND, f"`{name}` is a fact; here only what is written down counts", span)
            return ILL
        return p.Read(Variable(name), names.facts[name].type, name in scope.old)
    if name in names.defines:
        return _define(name, (), scope, span)
    if isinstance(hint, EnumType) and name in hint.values:
        return p.Const(name, hint)
    _no_value(name, scope, hint, span)
    return ILL


def _no_value(name: str, scope: Scope, hint: Type | None, span: Span) -> None:
    names = scope.names
    values = {*names.facts, *names.defines, *scope.locals, "now"}
    fields = [f"its {f}" for f, _ in scope.its.fields] if scope.its else []
    if isinstance(hint, EnumType):
        message = f"`{hint.name}` has no value `{name}`"
        scope.findings.error(Code.UNKNOWN_NAME, message, span, did_you_mean(name, hint.values))
    elif scope.its is not None and scope.its.get(name) is not None:
        scope.findings.error(Code.UNKNOWN_NAME, f"there is no fact `{name}`", span, f"write `its {name}`")
    elif name in names.agents:
        help_ = f"write `{name}.field` for what it suggested"
        scope.findings.error(Code.WRONG_KIND, f"`{name}` is an agent, not a value", span, help_)
    elif kind := _kind_of(names, name):
        scope.findings.error(Code.WRONG_KIND, f"`{name}` is {kind}, not a value", span)
    else:
        near = did_you_mean(name, [*values, *fields])
        scope.findings.error(Code.UNKNOWN_NAME, f"nothing here is called `{name}`", span, near)


def _its(name: s.Name, scope: Scope, span: Span) -> Expr | Ill:
    if scope.its is None:
        scope.findings.error(Code.FIELD, "`its` means nothing here: no event or act is looked at", span)
        return ILL
    if name.text == "now":
        return p.Its("now", TIME)
    type_ = scope.its.get(name.text)
    if type_ is None:
        help_ = did_you_mean(name.text, (n for n, _ in scope.its.fields))
        scope.findings.error(Code.FIELD, f"`{scope.its_of}` has no field `{name.text}`", name.span, help_)
        return ILL
    return p.Its(name.text, type_)


def _was(name: s.Name, scope: Scope) -> Expr | Ill:
    found = variable_of(scope.names, name.text, scope.findings, name.span)
    return ILL if found is None else p.Read(*found, True)


def _dot(of: s.Expr, name: s.Name, scope: Scope) -> Expr | Ill:
    if isinstance(of, s.Ref) and of.name not in scope.locals:
        remembered = _remembered(of.name, scope.names)
        if remembered is not None:
            type_ = remembered.get(name.text)
            if type_ is None:
                help_ = did_you_mean(name.text, (n for n, _ in remembered.fields))
                scope.findings.error(Code.FIELD, f"`{of.name}` has no field `{name.text}`", name.span, help_)
                return ILL
            return p.Read(Variable(f"{of.name}.{name.text}"), optional(type_), True)
    inner = _expr(of, scope, None)
    if isinstance(inner, Ill):
        return ILL
    type_ = p.type_of(inner)
    plain = type_.of if isinstance(type_, OptionalType) else type_
    if not isinstance(plain, RecordType):
        scope.findings.error(Code.TYPE, f"this is `{spelled(type_)}`, which has no fields", of.span)
        return ILL
    at = plain.index(name.text)
    if at is None:
        help_ = did_you_mean(name.text, (n for n, _ in plain.fields))
        scope.findings.error(Code.FIELD, f"`{plain.name}` has no field `{name.text}`", name.span, help_)
        return ILL
    certain = _certain(inner, scope, of.span)
    return ILL if isinstance(certain, Ill) else p.Part(certain, at, plain.fields[at][1])


def _remembered(name: str, names: Names) -> Parameters | None:
    """What `name.field` reads besides facts: an agent's last suggestion, and the fields of `start`."""
    if name in names.agents:
        return names.agents[name][1]
    return environment.fields_of(names, "start") if name == "start" else None


def _apply(name: s.Name, args: tuple[s.Argument, ...], scope: Scope, span: Span) -> Expr | Ill:
    names = scope.names
    if name.text in names.records:
        record = names.records[name.text]
        parts = arguments(args, Parameters(record.fields), scope, f"`{name.text}`", span)
        return ILL if isinstance(parts, Ill) else p.Make(record, tuple(value for _, value in parts))
    if name.text in names.defines:
        return _define(name.text, args, scope, span)
    if name.text in _HISTORIES:
        return _history(name, args, scope, span)
    known = [*names.records, *(d for d, c in names.defines.items() if c.params is not None), *_HISTORIES]
    message = f"nothing here is called `{name.text}(…)`"
    scope.findings.error(Code.UNKNOWN_NAME, message, name.span, did_you_mean(name.text, known))
    return ILL


def _define(name: str, args: tuple[s.Argument, ...], scope: Scope, span: Span) -> Expr | Ill:
    define = scope.names.defines[name]
    if name in scope.expanding:
        scope.findings.error(Code.RECURSION, f"`{name}` is defined in terms of itself", define.name.span)
        return ILL
    params = parameters_of(define, scope)
    if define.params is None and args:
        scope.findings.error(Code.ARGUMENTS, f"`{name}` takes no arguments", span)
        return ILL
    given = arguments(args, params, scope, f"`{name}`", span)
    if isinstance(given, Ill):
        return ILL
    # a define guards its own reads: of what is known where it is used, only what is given as a plain value counts
    known = frozenset(value for label, value in given if not isinstance(params.get(label), OptionalType))
    expanding = (*scope.expanding, name)
    inner = replace(scope, locals=dict(given), expanding=expanding, its=None, known=known, expanded=True)
    return _expr(define.value, inner, None)


def check_define(define: s.Define, names: Names, findings: Findings) -> None:
    """Reports the mistakes of a define, used or not."""
    scope = Scope(names, findings)
    params = parameters_of(define, scope)
    standing = {name: p.Its(name, type_) for name, type_ in params.fields}
    for param in define.params or ():
        if param.name.text in names.spans:
            message = f"`{param.name.text}` is also declared for the whole policy; nothing may hide it"
            related = [Related(names.spans[param.name.text], "it is declared here")]
            findings.error(Code.DUPLICATE, message, param.name.span, None, related)
    _expr(define.value, replace(scope, locals=standing, expanding=(define.name.text,)), None)


def parameters_of(define: s.Define, scope: Scope) -> Parameters:
    """The typed parameters of a define."""
    return Parameters(tuple((f.name.text, read_type(f.type, scope.names, scope.findings)) for f in define.params or ()))


_HISTORIES: Mapping[str, tuple[str, Callable[[str, Names], Expr | None]]] = {
    "disclosed": ("disclosure", environment.was_disclosed),
    "called": ("tool", environment.was_called),
    "pending": ("agent or tool", environment.is_pending),
}


def _history(name: s.Name, args: tuple[s.Argument, ...], scope: Scope, span: Span) -> Expr | Ill:
    if len(args) != 1 or args[0].label or not isinstance(args[0].value, s.Ref):
        scope.findings.error(Code.ARGUMENTS, f"`{name.text}` takes one name", span)
        return ILL
    of = args[0].value
    what, read = _HISTORIES[name.text]
    found = read(of.name, scope.names)
    if found is None:
        scope.findings.error(Code.UNKNOWN_NAME, f"there is no {what} `{of.name}`", of.span)
        return ILL
    return found


def _junction(op: str, parts: tuple[s.Expr, ...], scope: Scope) -> Expr | Ill:
    """Each part may rely on those before it: in `and` that they hold, in `or` that they do not."""
    done: list[Expr] = []
    sound = True
    for part in parts:
        found = typed(part, scope, BOOL)
        if isinstance(found, Ill):
            sound = False
            continue
        done.append(found)
        scope = replace(scope, known=scope.known | known_if(found, op == "and"))
    if not sound:
        return ILL
    return p.And(tuple(done)) if op == "and" else p.Or(tuple(done))


# --- comparing -------------------------------------------------------------------------------------------------------


def _comparison(op: str, known: bool, left: s.Expr, right: s.Expr, scope: Scope, span: Span) -> Expr | Ill:
    if isinstance(left, s.Unknown) or isinstance(right, s.Unknown):
        scope.findings.error(Code.TYPE, "nothing is compared with `unknown`", span, "write `… is unknown`")
        return ILL
    pair = _pair(left, right, scope)
    if isinstance(pair, Ill):
        return ILL
    sides = tuple(zip(pair, (left.span, right.span), strict=True))
    if not all(_comparable(op, side, scope, at) for side, at in sides):
        return ILL
    constant = isinstance(pair[0], p.Const) and isinstance(pair[1], p.Const) and None in (pair[0].value, pair[1].value)
    if constant and not scope.expanded:
        scope.findings.error(Code.TYPE, "`unknown` is compared with a value", span, "write `is unknown`")
        return ILL
    if not known:
        certain = [_certain(side, scope, at) for side, at in sides]
        if any(isinstance(side, Ill) for side in certain):
            return ILL
        return p.Compare(p.Comparison(op), *pair)
    guards = tuple(p.Known(side) for side in pair if isinstance(p.type_of(side), OptionalType))
    return p.And((*guards, p.Compare(p.Comparison(op), *pair)))


def _pair(left: s.Expr, right: s.Expr, scope: Scope) -> tuple[Expr, Expr] | Ill:
    """Both sides, of one kind; a literal takes the type of the other side."""
    if _is_literal(left, scope) and not _is_literal(right, scope):
        swapped = _pair(right, left, scope)
        return ILL if isinstance(swapped, Ill) else (swapped[1], swapped[0])
    first = _expr(left, scope, None)
    if isinstance(first, Ill):
        return ILL
    second = _expr(right, scope, _plain(first))
    if isinstance(second, Ill):
        return ILL
    if not _same_kind(_plain(first), _plain(second)):
        have = f"{_kind_of_value(_plain(first))} and {_kind_of_value(_plain(second))}"
        scope.findings.error(Code.TYPE, f"{have} cannot be compared", left.span.to(right.span))
        return ILL
    return first, second


def _is_literal(syntax: s.Expr, scope: Scope) -> bool:
    match syntax:
        case s.Number() | s.String() | s.Unknown() | s.Negative(s.Number()):
            return True
        case s.Ref(name):
            return name not in scope.locals and name not in scope.names.facts and name not in scope.names.defines
        case _:
            return False


def _plain(found: Expr) -> Type:
    type_ = p.type_of(found)
    return type_.of if isinstance(type_, OptionalType) else type_


def _comparable(op: str, found: Expr, scope: Scope, span: Span) -> bool:
    match _plain(found):
        case TextType():
            scope.findings.error(Code.TYPE, "a text is opaque: rules cannot look inside", span)
            return False
        case BoolType() | EnumType() | IdType() | RecordType() if op not in ("==", "!="):
            scope.findings.error(Code.TYPE, f"`{spelled(_plain(found))}` has no order, only `==` and `!=`", span)
            return False
        case RecordType(_, fields) if any(isinstance(t, TextType) for _, t in fields):
            scope.findings.error(Code.TYPE, "a record with a text cannot be compared: texts are opaque", span)
            return False
        case _:
            return True


def _in_set(of: s.Expr, items: tuple[s.Expr, ...], scope: Scope, span: Span) -> Expr | Ill:
    compared = [_comparison("==", False, of, item, scope, span) for item in items]
    done = tuple(c for c in compared if not isinstance(c, Ill))
    return p.Or(done) if len(done) == len(compared) else ILL


def _is_known(of: s.Expr, known: bool, scope: Scope, span: Span) -> Expr | Ill:
    found = _expr(of, scope, None)
    if isinstance(found, Ill):
        return ILL
    if not isinstance(p.type_of(found), OptionalType):
        if scope.expanded:
            return p.TRUE if known else p.FALSE
        scope.findings.error(Code.TYPE, "this is always known", span, "leave the test out")
        return ILL
    return p.Known(found) if known else p.Not(p.Known(found))


# --- arithmetic ------------------------------------------------------------------------------------------------------


def _arithmetic(op: str, left: s.Expr, right: s.Expr, scope: Scope, hint: Type | None, span: Span) -> Expr | Ill:
    first = _expr(left, scope, hint if _is_literal(left, scope) else None)
    if isinstance(first, Ill):
        return ILL
    own = _plain(first)
    second_hint = None if isinstance(own, TimeType | DurationType) or op == "*" else own
    second = _expr(right, scope, second_hint)
    if isinstance(second, Ill):
        return ILL
    first_sure, second_sure = _certain(first, scope, left.span), _certain(second, scope, right.span)
    if isinstance(first_sure, Ill) or isinstance(second_sure, Ill):
        return ILL
    return _bounded(p.Operation(op), first_sure, second_sure, scope, span)


def _numeric(found: Expr, scope: Scope, span: Span) -> Type | None:
    type_ = _plain(found)
    if isinstance(type_, IntType | DecimalType | DurationType):
        return type_
    scope.findings.error(Code.TYPE, f"`{spelled(type_)}` is no number", span)
    return None


def _bounded(op: p.Operation, left: Expr, right: Expr, scope: Scope, span: Span) -> Expr | Ill:
    """The arithmetic, if its types allow it and its bounds show that it fits 64 bits."""
    result = _result_type(op, _plain(left), _plain(right))
    if result is None:
        have = f"{_kind_of_value(_plain(left))} `{op}` {_kind_of_value(_plain(right))}"
        scope.findings.error(Code.TYPE, f"{have} has no meaning", span)
        return ILL
    if isinstance(result, IntType | DecimalType) and not INT64_MIN <= result.low <= result.high <= INT64_MAX:
        scope.findings.error(Code.OVERFLOW, "the result may not fit 64 bits", span, "declare narrower bounds")
        return ILL
    return p.Arithmetic(op, left, right, result)


def _result_type(op: p.Operation, left: Type, right: Type) -> Type | None:
    match op, left, right:
        case p.Operation.ADD | p.Operation.SUB, TimeType(), DurationType():
            return TIME
        case p.Operation.SUB, TimeType(), TimeType():
            return DURATION
        case p.Operation.ADD | p.Operation.SUB, DurationType(), DurationType():
            return DURATION
        case p.Operation.MUL, IntType(a, b), IntType(c, d):
            return IntType(*_corners(a, b, c, d))
        case p.Operation.MUL, DecimalType(places, a, b), IntType(c, d):
            return DecimalType(places, *_corners(a, b, c, d))
        case p.Operation.MUL, IntType(a, b), DecimalType(places, c, d):
            return DecimalType(places, *_corners(a, b, c, d))
        case p.Operation.ADD, IntType(a, b), IntType(c, d):
            return IntType(a + c, b + d)
        case p.Operation.SUB, IntType(a, b), IntType(c, d):
            return IntType(a - d, b - c)
        case p.Operation.ADD, DecimalType(n, a, b), DecimalType(m, c, d) if n == m:
            return DecimalType(n, a + c, b + d)
        case p.Operation.SUB, DecimalType(n, a, b), DecimalType(m, c, d) if n == m:
            return DecimalType(n, a - d, b - c)
        case _:
            return None


def _corners(a: int, b: int, c: int, d: int) -> tuple[int, int]:
    products = (a * c, a * d, b * c, b * d)
    return min(products), max(products)


# --- kinds of names --------------------------------------------------------------------------------------------------


def _kind_of(names: Names, name: str) -> str | None:
    """What a name of the shared namespace is, for people."""
    tables: Mapping[str, Mapping[str, object]] = {
        "an agent": names.agents,
        "a tool": names.tools,
        "a group of tools": names.groups,
        "an event": names.outside,
        "a define": names.defines,
        "a fact": names.facts,
    }
    return next((kind for kind, table in tables.items() if name in table), None)
