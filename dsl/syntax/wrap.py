"""How a phrase that is too long for one line goes over several."""

from charter.dsl.syntax import tree as s
from charter.dsl.syntax.phrases import (
    ANY,
    SUM,
    act_text,
    argument_text,
    binding,
    expr_text,
    happening_text,
)

Lines = list[str]


def expr_lines(expr: s.Expr, width: int, place: int = ANY) -> Lines:
    """An expression in lines of at most `width` where its parts allow it: a part of a junction or a list a line."""
    whole = expr_text(expr, place)
    if len(whole) <= width:
        return [whole]
    match expr:
        case s.Junction(op, parts):
            lines = joined([expr_lines(part, width - 4, binding(expr) + 1) for part in parts], op)
        case s.Apply(name, arguments) if arguments:
            lines = listed(f"{name.text}(", [argument_text(a) for a in arguments], ")")
        case s.InSet(of, items):
            lines = listed(f"{expr_text(of, SUM)} in {{", [expr_text(item) for item in items], " }")
        case _:
            return [whole]
    return [f"({lines[0]}", *indented(lines[1:-1], 1), f" {lines[-1]})"] if binding(expr) < place else lines


def joined(parts: list[Lines], op: str) -> Lines:
    """Parts below each other, each after the first begun by what joins them."""
    first, *others = parts
    lines = [first[0], *(f"  {line}" for line in first[1:])]
    for part in others:
        lines += [f"{op} {part[0]}", *(f"  {line}" for line in part[1:])]
    return lines


def filled(parts: list[str], op: str, width: int) -> Lines:
    """Parts in a row, each but the first begun by what joins them; the first line holds only the first part."""
    lines = parts[:1]
    for part in parts[1:]:
        text = f"{op} {part}"
        if len(lines) > 1 and len(lines[-1]) + 1 + len(text) <= width:
            lines[-1] += f" {text}"
        else:
            lines.append(text)
    return lines


def listed(opening: str, items: Lines, closing: str) -> Lines:
    """A list without a comma at its end, an item a line."""
    return [opening, *(f"  {item}," for item in items[:-1]), f"  {items[-1]}{closing}"]


def happenings_lines(happenings: s.Happenings, width: int) -> Lines:
    """Happenings joined by `or`, on one line or a line each."""
    texts = [happening_text(happening) for happening in happenings]
    whole = " or ".join(texts)
    return [whole] if len(whole) <= width else joined([[text] for text in texts], "or")


def occasion_lines(parts: tuple[s.Happening | s.Expr, ...], width: int) -> Lines:
    """What stands after `whenever`, on one line or a part each."""
    texts = [happening_text(p) if isinstance(p, s.Happening) else expr_text(p, ANY + 1) for p in parts]
    whole = " or ".join(texts)
    if len(whole) <= width:
        return [whole]
    return joined(
        [[happening_text(p)] if isinstance(p, s.Happening) else expr_lines(p, width - 4, ANY + 1) for p in parts], "or"
    )


def act_lines(act: s.Act, width: int) -> Lines:
    """An act of a rule."""
    whole = act_text(act)
    if len(whole) <= width:
        return [whole]
    match act:
        case s.SetFact(fact, value):
            return [f"set {fact.text} =", *indented(expr_lines(value, width - 2))]
        case s.Call(name, arguments) if arguments:
            return listed(f"call {name.text}(", [argument_text(a) for a in arguments], ")")
        case s.Speak(kind, name, arguments) if arguments:
            return listed(f"{kind} {name.text}(", [argument_text(a) for a in arguments], ")")
        case _:
            return [whole]


def indented(lines: Lines, by: int = 2) -> Lines:
    """The lines, further in."""
    return [" " * by + line for line in lines]


# --- requirements ----------------------------------------------------------------------------------------------------


def form_lines(form: s.Form, width: int) -> Lines:
    """A requirement's form: on one line, or begun anew at each of its words."""
    parts = _form_parts(form, width - 2)
    whole = " ".join(line.strip() for part in parts for line in part)
    if len(whole) <= width and all(len(part) == 1 for part in parts):
        return [whole]
    first, *others = parts
    return [*_hung(first), *indented([line for part in others for line in _hung(part)])]


def _hung(part: Lines) -> Lines:
    return [part[0], *indented(part[1:])]


def _form_parts(form: s.Form, width: int) -> list[Lines]:
    def happen(prefix: str, happenings: s.Happenings) -> list[Lines]:
        return [_prefixed(prefix, happenings_lines(happenings, width - len(prefix) - 1))] if happenings else []

    def hold(prefix: str, condition: s.Expr | None) -> list[Lines]:
        return [] if condition is None else [_prefixed(prefix, expr_lines(condition, width - len(prefix) - 1))]

    match form:
        case s.Before(first, then):
            return happen("", first) + happen("before", then)
        case s.OnlyAfter(what, first, new, since):
            return happen("", what) + happen("only after new" if new else "only after", first) + happen("since", since)
        case s.OnlyAfterAll(what, names, since):
            of = ", ".join(name.text for name in names)
            return [*happen("", what), [f"only after (disclose {of})"], *happen("since", since)]
        case s.OnlyIf(what, condition, exactly):
            return happen("", what) + hold("if and only if" if exactly else "only if", condition)
        case s.OnlyBetween(what, first, last):
            return happen("", what) + happen("only between", first) + happen("and", last)
        case s.AtMost(what, times, since, per_turn):
            bound = "once" if times is None else f"at most {times.text} times"
            return [*happen("", what), [bound], *happen("since", since), *([["per turn"]] if per_turn else [])]
        case s.Never(what, condition):
            return happen("never", what) + hold("if", condition)
        case s.NeverWith(what, other):
            return happen("never", what) + happen("with", other)
        case s.NeverFrom(what, first, last):
            return happen("never", what) + happen("from", first) + happen("until", last)
        case s.Whenever(trigger, what, deadline):
            occasion = _prefixed("whenever", occasion_lines(trigger, width - 10))
            occasion[-1] += ":"
            due = happenings_lines(what, width - len(deadline) - 1)
            due[-1] += f" {deadline}"
            return [occasion, due]


def _prefixed(prefix: str, lines: Lines) -> Lines:
    return [f"{prefix} {lines[0]}".lstrip(), *lines[1:]]
