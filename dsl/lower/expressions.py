"""From written expressions to typed ones: names resolved, literals scaled, every read of an unknown guarded."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import assert_never

from charter.dsl import program as p
from charter.dsl.diagnostics import Code, Related, did_you_mean
from charter.dsl.lower import environment
from charter.dsl.lower.arithmetic import bounded, numeric
from charter.dsl.lower.expansion import MAX_LEVELS, MAX_TERMS, too_large
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.fitting import certain, described, fit, fits_within, plain, same_kind
from charter.dsl.lower.known import known_if
from charter.dsl.lower.literals import number, string, time
from charter.dsl.lower.names import Names, Parameters
from charter.dsl.lower.scope import ILL, Ill, Scope
from charter.dsl.lower.written import duration_ms, read_type
from charter.dsl.program import Expr, Variable
from charter.dsl.source import Span
from charter.dsl.syntax import tree as s
from charter.dsl.types import (
    BOOL,
    DURATION,
    TIME,
    UNREAD,
    BoolType,
    DurationType,
    EnumType,
    IdType,
    OptionalType,
    RecordType,
    TextType,
    TimeType,
    Type,
    optional,
    spelled,
)


def condition(syntax: s.Expr, scope: Scope) -> Expr:
    """A written condition; of one with a mistake, which is reported, what it tells about unknown values anyway."""
    found = typed(syntax, scope, BOOL)
    return p.And(tuple(p.Known(expr) for expr in found.known)) if isinstance(found, Ill) else found


def typed(syntax: s.Expr, scope: Scope, wanted: Type) -> Expr | Ill:
    """The expression as a value of the wanted type; a mismatch is reported."""
    found = _expr(syntax, scope, wanted)
    if isinstance(found, Ill):
        return found
    return fit(found, wanted, scope, syntax.span)


def variable_of(names: Names, name: str, findings: Findings, span: Span) -> tuple[Variable, Type] | None:
    """A declared fact's variable and type; what is no fact is reported."""
    if name in names.facts:
        return Variable(name), names.facts[name].type
    kind = names.kind_of(name)
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
    if not isinstance(found, Ill) and not isinstance(found, p.Const) and not fits_within(plain(found), wanted):
        have = spelled(plain(found))
        message = f"this is `{have}`, which may lie outside `{spelled(wanted)}`"
        scope.findings.error(Code.RANGE, message, syntax.span, "declare bounds that fit")
        return ILL
    return found


# --- one expression --------------------------------------------------------------------------------------------------


def _expr(syntax: s.Expr, scope: Scope, wanted: Type | None) -> Expr | Ill:
    """The expression; `wanted` only helps a literal to find its type."""
    if wanted in (UNREAD, optional(UNREAD)):
        return ILL
    found = _any_expr(syntax, scope, wanted)
    return found if isinstance(found, Ill) or plain(found) != UNREAD else ILL


def _any_expr(syntax: s.Expr, scope: Scope, wanted: Type | None) -> Expr | Ill:
    hint = wanted.of if isinstance(wanted, OptionalType) else wanted
    match syntax:
        case s.Number(text, span):
            return number(text, hint, scope, span)
        case s.Negative(s.Number(text), span):
            return number("-" + text, hint, scope, span)
        case s.Negative(of, span):
            return _negative(of, scope, hint, span)
        case s.String(span=span):
            return string(syntax.text, hint, scope, span)
        case s.Duration():
            return p.Const(duration_ms(syntax, scope.findings), DURATION)
        case s.Time(text, span):
            return time(text, scope, span)
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


def _negative(of: s.Expr, scope: Scope, hint: Type | None, span: Span) -> Expr | Ill:
    inner = _expr(of, scope, hint)
    if isinstance(inner, Ill):
        return ILL
    type_ = numeric(inner, scope, of.span)
    if type_ is None:
        return ILL
    return bounded(p.Operation.SUB, p.Const(0, type_), inner, scope, span)


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
    elif kind := names.kind_of(name):
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
    if type_ is None and scope.unread:
        return ILL
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
    record = type_.of if isinstance(type_, OptionalType) else type_
    if not isinstance(record, RecordType):
        scope.findings.error(Code.TYPE, f"this is `{spelled(type_)}`, which has no fields", of.span)
        return ILL
    at = record.index(name.text)
    if at is None:
        help_ = did_you_mean(name.text, (n for n, _ in record.fields))
        scope.findings.error(Code.FIELD, f"`{record.name}` has no field `{name.text}`", name.span, help_)
        return ILL
    sure = certain(inner, scope, of.span)
    return ILL if isinstance(sure, Ill) else p.Part(sure, at, record.fields[at][1])


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
    if name in scope.names.oversized:
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
    oversized = scope.names.oversized
    found = _expr(define.value, inner, None)
    if isinstance(found, Ill):
        oversized |= {name} if oversized else set()  # what is in it may be the reason: it is not written out again
        return found
    if not too_large(found):
        return found
    message = f"`{name}` is nested deeper than {MAX_LEVELS} levels, or longer than {MAX_TERMS:,} terms, written out"
    related = [Related(define.name.span, f"`{name}` is here")]
    scope.findings.error(Code.NESTING, message, span, "keep a part of it in a fact", related)
    oversized.add(name)
    return ILL


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
    before = scope.known
    for part in parts:
        found = typed(part, scope, BOOL)
        if isinstance(found, Ill):
            more = found.known if op == "and" else frozenset()
        else:
            done.append(found)
            more = known_if(found, op == "and")
        scope = replace(scope, known=scope.known | more)
    if len(done) < len(parts):
        return Ill(scope.known - before) if op == "and" else ILL
    return p.And(tuple(done)) if op == "and" else p.Or(tuple(done))


# --- comparing -------------------------------------------------------------------------------------------------------


def _comparison(op: str, known: bool, left: s.Expr, right: s.Expr, scope: Scope, span: Span) -> Expr | Ill:
    if isinstance(left, s.Unknown) or isinstance(right, s.Unknown):
        scope.findings.error(Code.TYPE, "nothing is compared with `unknown`", span, "write `… is unknown`")
        return ILL
    pair = _pair(left, right, scope)
    if isinstance(pair, Ill):
        return pair if known else ILL
    sides = tuple(zip(pair, (left.span, right.span), strict=True))
    if not all(_comparable(op, side, scope, at) for side, at in sides):
        return ILL
    constant = isinstance(pair[0], p.Const) and isinstance(pair[1], p.Const) and None in (pair[0].value, pair[1].value)
    if constant and not scope.expanded:
        scope.findings.error(Code.TYPE, "`unknown` is compared with a value", span, "write `is unknown`")
        return ILL
    if not known:
        sure = [certain(side, scope, at) for side, at in sides]
        if any(isinstance(side, Ill) for side in sure):
            return ILL
        return p.Compare(p.Comparison(op), *pair)
    guards = tuple(p.Known(side) for side in pair if isinstance(p.type_of(side), OptionalType))
    return p.And((*guards, p.Compare(p.Comparison(op), *pair)))


def _pair(left: s.Expr, right: s.Expr, scope: Scope) -> tuple[Expr, Expr] | Ill:
    """Both sides, of one kind; a literal takes the type of the other side."""
    if _is_literal(left, scope) and not _is_literal(right, scope):
        swapped = _pair(right, left, scope)
        return swapped if isinstance(swapped, Ill) else (swapped[1], swapped[0])
    first = _expr(left, scope, None)
    if isinstance(first, Ill):
        if _may_be_value(right, scope):
            return ILL
        return _sound_side(_expr(right, scope, None))
    second = _expr(right, scope, plain(first))
    if isinstance(second, Ill):
        return _sound_side(first)
    if not same_kind(plain(first), plain(second)):
        have = f"{described(plain(first))} and {described(plain(second))}"
        scope.findings.error(Code.TYPE, f"{have} cannot be compared", left.span.to(right.span))
        return ILL
    return first, second


def _may_be_value(syntax: s.Expr, scope: Scope) -> bool:
    """Whether this may be the value of an enum that nobody knows, since the other side has a mistake."""
    return isinstance(syntax, s.Ref) and scope.names.kind_of(syntax.name) is None


def _sound_side(side: Expr | Ill) -> Ill:
    """A comparison whose other side has a mistake; this one is known where it holds, if it is compared as `known==`."""
    return ILL if isinstance(side, Ill) else Ill(frozenset((side,)))


def _is_literal(syntax: s.Expr, scope: Scope) -> bool:
    match syntax:
        case s.Number() | s.String() | s.Unknown() | s.Negative(s.Number()):
            return True
        case s.Ref(name):
            return name not in scope.locals and name not in scope.names.facts and name not in scope.names.defines
        case _:
            return False


def _comparable(op: str, found: Expr, scope: Scope, span: Span) -> bool:
    match plain(found):
        case TextType():
            scope.findings.error(Code.TYPE, "a text is opaque: rules cannot look inside", span)
            return False
        case BoolType() | EnumType() | IdType() | RecordType() if op not in ("==", "!="):
            scope.findings.error(Code.TYPE, f"`{spelled(plain(found))}` has no order, only `==` and `!=`", span)
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
        _expr(right, scope, None)
        return ILL
    own = plain(first)
    second_hint = None if isinstance(own, TimeType | DurationType) or op == "*" else own
    second = _expr(right, scope, second_hint)
    if isinstance(second, Ill):
        return ILL
    first_sure, second_sure = certain(first, scope, left.span), certain(second, scope, right.span)
    if isinstance(first_sure, Ill) or isinstance(second_sure, Ill):
        return ILL
    return bounded(p.Operation(op), first_sure, second_sure, scope, span)
