"""From the syntax tree back to words: the shortest spelling of each part of a clause, on one line.

Parentheses stand only where the grammar needs them.
"""

from collections.abc import Iterable
from typing import assert_never

from charter.dsl.syntax import tree as s

# how tightly an expression binds: what binds looser than its place allows stands in parentheses
ANY, CONJUNCTION, NEGATION, COMPARISON, SUM, PRODUCT, SIGN, FIELD, ATOM = range(9)


def type_text(type_: s.TypeSyntax) -> str:
    """A type."""
    match type_:
        case s.NamedType(name):
            return name
        case s.IntTypeOf(low, high):
            return f"int {low}..{high}"
        case s.DecimalTypeOf(places, low, high):
            return f"decimal({places}) {low}..{high}"
        case s.TextTypeOf(limit):
            return f"text max {limit}"
        case s.OptionalOf(of):
            return f"{type_text(of)}?"
        case _:
            assert_never(type_)


def field_text(field: s.Field) -> str:
    """A field or parameter, with its default."""
    default = f" = {expr_text(field.default)}" if field.default is not None else ""
    return f"{field.name.text}: {type_text(field.type)}{default}"


def fields_text(fields: Iterable[s.Field]) -> str:
    """Fields in braces."""
    inner = ", ".join(field_text(field) for field in fields)
    return f"{{ {inner} }}" if inner else "{}"


def params_text(params: Iterable[s.Field]) -> str:
    """Parameters in parentheses."""
    return "(" + ", ".join(field_text(param) for param in params) + ")"


def names_text(names: Iterable[s.Name]) -> str:
    """Names with commas between them."""
    return ", ".join(name.text for name in names)


# --- expressions -----------------------------------------------------------------------------------------------------


def binding(expr: s.Expr) -> int:
    """How tightly an expression binds."""
    match expr:
        case s.Junction(op):
            return ANY if op == "or" else CONJUNCTION
        case s.Not():
            return NEGATION
        case s.Comparison() | s.InSet() | s.IsKnown():
            return COMPARISON
        case s.Arithmetic(op):
            return PRODUCT if op == "*" else SUM
        case s.Negative():
            return SIGN
        case s.Dot():
            return FIELD
        case _:
            return ATOM


def expr_text(expr: s.Expr, place: int = ANY) -> str:
    """An expression where only what binds at least as tightly as `place` may stand."""
    text = _bare(expr)
    return f"({text})" if binding(expr) < place else text


def _bare(expr: s.Expr) -> str:
    match expr:
        case s.Number(text) | s.Time(text) | s.Ref(text):
            return text
        case s.String():
            return expr.written
        case s.Duration(number, unit):
            return f"{number} {unit}"
        case s.Boolean(value):
            return "true" if value else "false"
        case s.Unknown():
            return "unknown"
        case s.Its(name):
            return f"its {name.text}"
        case s.Was(name):
            return f"was {name.text}"
        case s.Dot(of, name):
            return f"{expr_text(of, FIELD)}.{name.text}"
        case s.Apply(name, arguments):
            return name.text + arguments_text(arguments)
        case s.Not(of):
            return f"not {expr_text(of, NEGATION)}"
        case s.Negative(of):
            return f"-{expr_text(of, SIGN)}"
        case s.Junction(op, parts):
            return f" {op} ".join(expr_text(part, binding(expr) + 1) for part in parts)
        case s.Comparison(op, known, left, right):
            return f"{expr_text(left, SUM)} {'known' if known else ''}{op} {expr_text(right, SUM)}"
        case s.Arithmetic(op, left, right):
            return f"{expr_text(left, binding(expr))} {op} {expr_text(right, binding(expr) + 1)}"
        case s.InSet(of, items):
            return f"{expr_text(of, SUM)} in {{ {', '.join(expr_text(item) for item in items)} }}"
        case s.IsKnown(of, known):
            return f"{expr_text(of, SUM)} is {'known' if known else 'unknown'}"
        case _:
            assert_never(expr)


def argument_text(argument: s.Argument) -> str:
    """An argument, with its label."""
    label = f"{argument.label.text}: " if argument.label else ""
    return label + expr_text(argument.value)


def arguments_text(arguments: Iterable[s.Argument]) -> str:
    """Arguments in parentheses."""
    return "(" + ", ".join(argument_text(argument) for argument in arguments) + ")"


# --- happenings and acts ---------------------------------------------------------------------------------------------


def event_text(event: s.EventRef) -> str:
    """An event as rules, requirements and tests name it."""
    name = event.name.text if event.name else "any"
    match event.mark:
        case "":
            return name
        case "fails" | "uncertain":
            return f"{name} {event.mark}"
        case "collect fails" | "escalate fails":
            return f"{event.mark.split()[0]} {name} fails"
        case mark:
            return f"{mark} {name}"


def act_ref_text(act: s.ActRef) -> str:
    """An act as requirements and tests name it."""
    excepted = f" except {names_text(act.excepted)}" if act.excepted else ""
    return f"{act.kind} {act.name.text if act.name else 'any'}{excepted}"


def happening_text(happening: s.Happening) -> str:
    """An event, act or change, with what narrows it."""
    match happening.of:
        case s.EventRef():
            text = event_text(happening.of)
        case s.ActRef():
            text = act_ref_text(happening.of)
        case s.ChangeOf(fact):
            text = f"change of {fact.text}"
        case _:
            assert_never(happening.of)
    return text if happening.when is None else f"{text} (when {expr_text(happening.when)})"


def act_text(act: s.Act) -> str:
    """An act of a rule."""
    match act:
        case s.SetFact(fact, value):
            return f"set {fact.text} = {expr_text(value)}"
        case s.Forget(fact):
            return f"forget {fact.text}"
        case s.Note(text):
            return f"note {text.written}"
        case s.Ask(agents):
            return f"ask {names_text(agents)}"
        case s.Call(tool, arguments):
            return f"call {tool.text}{arguments_text(arguments)}"
        case s.Speak(kind, name, written):
            return f"{kind} {name.text}{'' if written is None else arguments_text(written)}"
        case s.Collect(fact):
            return f"collect {fact.text}"
        case s.StartTimer(name, duration):
            return f"start timer {name.text} for {expr_text(duration, SUM)}"
        case s.Escalate(queue, because):
            return f"escalate {queue.text}{_because(because)}"
        case s.End(because):
            return f"end{_because(because)}"
        case _:
            assert_never(act)


def _because(text: s.String | None) -> str:
    return "" if text is None else f" because {text.written}"


def step_text(step: s.TestStep) -> str:
    """A step of a test."""
    match step:
        case s.Given(fact, value):
            return f"given {fact.text} = {expr_text(value)}"
        case s.TestEvent(event, text, arguments):
            said = f" {text.written}" if text else ""
            given = arguments_text(arguments) if arguments else ""
            return f"on {event_text(event)}{said}{' ' if said and given else ''}{given}"
        case s.Wait(duration):
            return f"wait {expr_text(duration)}"
        case s.ExpectAct(no, act, arguments):
            given = arguments_text(arguments) if arguments else ""
            return f"expect {'no ' if no else ''}{act_ref_text(act)}{given}"
        case s.ExpectThat(condition):
            return f"expect that {expr_text(condition)}"
        case s.ExpectBroken(requirement):
            return f"expect broken {requirement.text}"
        case s.Attempt(act):
            return f"attempt {act_text(act)}"
        case _:
            assert_never(step)
