"""How each clause may be laid out: the layouts of its lines, the shortest first."""

from dataclasses import dataclass
from typing import assert_never

from charter.dsl.syntax import tree as s
from charter.dsl.syntax.phrases import (
    act_text,
    expr_text,
    field_text,
    fields_text,
    happening_text,
    names_text,
    params_text,
    type_text,
)
from charter.dsl.syntax.tokens import quoted
from charter.dsl.syntax.wrap import Lines, act_lines, expr_lines, filled, form_lines, indented

WIDTH = 100
GAP = "  "  # between the parts of a clause


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to write a clause: what follows its head on the first line, and the lines after it.

    In a block of like clauses, the heads of those that are `aligned` are made equally wide.
    """

    first: str
    more: tuple[str, ...] = ()
    aligned: bool = False


@dataclass(frozen=True, slots=True)
class Layouts:
    """A clause's head and its layouts, the last of which is taken where none fits. `block` says what is like it."""

    head: str
    all: tuple[Layout, ...]
    block: str = ""


def layouts(clause: s.Clause, width: int = WIDTH) -> Layouts:
    """The layouts of a clause; of a section or test, only those of its first line."""
    match clause:
        case s.Policy():
            return _policy(clause)
        case s.Import(path):
            return _line(f"import {path.written}")
        case s.Enum(name, values):
            spelled = [v.name.text + (f" as {v.spelled.written}" if v.spelled else "") for v in values]
            return _braced(f"enum {name.text}", spelled)
        case s.Record(name, fields):
            return _braced(f"record {name.text}", [field_text(field) for field in fields])
        case s.Fact(turn, name, type_, initial):
            given = f" = {expr_text(initial)}" if initial is not None else ""
            return _line(f"{'turn ' if turn else ''}fact {name.text}: {type_text(type_)}{given}")
        case s.Define(name, params, value):
            head = f"define {name.text}{'' if params is None else params_text(params)} ="
            return Layouts(
                head, (Layout(f" {expr_text(value)}"), Layout("", tuple(indented(expr_lines(value, width - 2)))))
            )
        case s.Agent():
            return _agent(clause)
        case s.Tool():
            return _tool(clause)
        case s.Tools(name, members):
            return _line(f"tools {name.text} = {names_text(members)}")
        case s.OutsideEvent(name, fields):
            if not fields:
                return _line(f"event {name.text}")
            return _braced(f"event {name.text}", [field_text(field) for field in fields])
        case s.Queue(name, within, up_to):
            options = GAP.join(("", *_options(within, up_to)))
            return Layouts(f"queue {name.text}", (Layout(options, (), True),), "queue")
        case s.Speech():
            return _speech(clause)
        case s.Assume(tool, condition):
            return _line(f"assume {tool.text} returns {expr_text(condition)}")
        case s.Section(title, when):
            holds = f" when {expr_text(when)}" if when is not None else ""
            return _line(f"section {title.written}{holds} {{")
        case s.Rule():
            return _rule(clause, width)
        case s.Require():
            return _require(clause, width)
        case s.Test(title):
            return _line(f"test {title.written}")
        case _:
            assert_never(clause)


def _line(text: str) -> Layouts:
    return Layouts(text, (Layout(""),))


def _braced(head: str, items: Lines) -> Layouts:
    whole = Layout(f" {{ {', '.join(items)} }}")
    return Layouts(head, (whole, Layout(" {", (*(f"  {item}," for item in items), "}"))) if items else (Layout(" {}"),))


# --- declarations ----------------------------------------------------------------------------------------------------


def _policy(clause: s.Policy) -> Layouts:
    lines: Lines = []
    if clause.languages:
        lines.append(f"languages {names_text(clause.languages)}")
    if clause.fallback is not None:
        lines.append(f"fallback queue {clause.fallback.text}")
    if clause.human_wanted is not None:
        first, *more = expr_lines(clause.human_wanted, WIDTH - 20)
        lines += [f"human wanted when {first}", *indented(more)]
    return Layouts(f"policy {clause.name.text}", (Layout("", tuple(indented(lines))),))


def _agent(clause: s.Agent) -> Layouts:
    head, suggests = f"agent {clause.name.text}", f" suggests {fields_text(clause.fields)}"
    options = _options(clause.within, clause.up_to, clause.otherwise)
    tail = GAP.join(options)
    broken = (*(f"  {field_text(field)}," for field in clause.fields), f"}}{GAP}{tail}".rstrip())
    below = (f"  {tail}",) if tail else ()
    return Layouts(
        head,
        (
            Layout(GAP.join([suggests, *options]), (), True),
            Layout(suggests, below, True),
            Layout(" suggests {", broken),
        ),
        "agent",
    )


def _tool(clause: s.Tool) -> Layouts:
    head = f"tool {clause.name.text}"
    flags = [("reads", clause.reads), ("writes", clause.writes), ("idempotent", clause.idempotent)]
    options = [word for word, said in flags if said] + _options(clause.within, clause.up_to)
    params, returns = params_text(clause.params), f"returns {fields_text(clause.returns)}"
    tail = (f"  {GAP.join(options)}",) if options else ()
    each = [f"    {field_text(param)}," for param in clause.params]
    broken = ("(", (*each[:-1], *(line.removesuffix(",") for line in each[-1:]), "  )")) if each else ("()", ())
    return Layouts(
        head,
        (
            Layout(GAP.join([params, returns, *options])),
            Layout(f"{params}{GAP}{returns}", tail),
            Layout(params, (f"  {returns}", *tail)),
            Layout(broken[0], (*broken[1], f"  {returns}", *tail)),
        ),
    )


def _options(within: s.Duration | None, up_to: s.Number | None, otherwise: s.Name | None = None) -> Lines:
    options = [f"within {expr_text(within)}"] if within else []
    options += [f"else {otherwise.text}"] if otherwise else []
    return options + ([f"up to {up_to.text} times"] if up_to else [])


def _speech(clause: s.Speech) -> Layouts:
    kind = "disclosure" if clause.kind == "disclose" else "prompt"
    head = f"{kind} {clause.name.text}{params_text(clause.params) if clause.params else ''}"
    texts = [f"{language.text} {text.written}" for language, text in clause.texts]
    flat = f"{{ {GAP.join(texts)} }}"
    return Layouts(
        head,
        (
            Layout(f"{GAP}{flat}", (), True),
            Layout(f"{GAP}{flat}"),
            Layout(" {", (*indented(texts), "}")),
        ),
        "speech",
    )


# --- rules and requirements ------------------------------------------------------------------------------------------


def _rule(rule: s.Rule, width: int) -> Layouts:
    """One line for at most two acts; else `do` on a line of its own, and where that is not enough `when` too."""
    overrides = f" overrides {names_text(rule.overrides)}" if rule.overrides else ""
    triggers = [happening_text(trigger) for trigger in rule.triggers]
    on = f" on {' or '.join(triggers)}"
    when = f" when {expr_text(rule.when)}" if rule.when is not None else ""
    acts = GAP.join(act_text(act) for act in rule.acts)
    few = len(rule.acts) <= 2
    each = [line for act in rule.acts for line in act_lines(act, width - 5)]
    done = tuple([f"  do {acts}"] if few and len(acts) <= width - 5 else [f"  do {each[0]}", *indented(each[1:], 5)])
    condition: Lines = []
    if rule.when is not None:
        first, *more = expr_lines(rule.when, width - 9)
        condition = [f"  when {first}", *indented(more, 4)]
    first_on, *more_on = filled(triggers, "or", width - 4)
    return Layouts(
        f"rule {rule.name.text}{overrides}",
        (
            *((Layout(f"{on}{when}{GAP}do {acts}", (), True),) if few else ()),
            Layout(f"{on}{when}", done, True),
            Layout(on, (*condition, *done), True),
            Layout(f" on {first_on}", (*indented(more_on, 4), *condition, *done), True),
        ),
        "rule",
    )


def _require(clause: s.Require, width: int) -> Layouts:
    parts = [quoted(clause.text.text)] if clause.text else []
    parts += [f"cites {clause.cites.written}"] if clause.cites else []
    if clause.replaces is not None and clause.because is not None:
        parts.append(f"replaces built-in {clause.replaces.text} because {clause.because.written}")
    form = tuple(indented(form_lines(clause.form, width - 2)))
    return Layouts(
        f"require {clause.name.text}",
        (Layout("".join(GAP + part for part in parts), form), Layout("", (*indented(parts), *form))),
    )
