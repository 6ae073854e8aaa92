"""The parse tables of `grammar.lark`: in each state, what a word of each kind leads to.

Lark computes them; since that takes a quarter of a second, they are kept in `tables.json` with the digest of the
grammar that they belong to. `python -m charter.dsl.syntax.tables` writes them anew after a change of the grammar;
tables of another grammar are never used.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

END = "$END"
START, GRAMMAR, KEPT = "clause", "grammar.lark", "tables.json"


@dataclass(frozen=True, slots=True)
class Reduction:
    """A rule of the grammar: `length` values become one, of kind `origin`.

    `build` names the method that makes it from its children: a child is the position of a value, or None where
    something optional is not written. Without `build` it is a part of a list, and its children go to what holds it.
    """

    origin: str
    length: int
    build: str | None
    children: tuple[int | None, ...]
    passes: bool  # a single child stands for itself


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables. In `actions`, by state and kind: `n` goes to state `n`, `-n` reduces by rule `n - 1`."""

    actions: tuple[Mapping[str, int], ...]  # the first is the state before the first word
    final: int  # the state after a whole clause
    reductions: tuple[Reduction, ...]
    keywords: Mapping[str, str]  # text to kind, of words and signs that the grammar spells out


@cache
def tables() -> Tables:
    """The tables of the grammar, read if they are kept for it, otherwise computed."""
    kept = json.loads(files("charter.dsl.syntax").joinpath(KEPT).read_text(encoding="utf-8"))
    if kept.pop("grammar") != digest(grammar()):
        return computed(grammar())
    reductions = tuple(Reduction(**{**r, "children": tuple(r["children"])}) for r in kept["reductions"])
    return Tables(tuple(kept["actions"]), kept["final"], reductions, kept["keywords"])


def grammar() -> str:
    """The grammar's text."""
    return files("charter.dsl.syntax").joinpath(GRAMMAR).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """What tells one grammar from another."""
    return sha256(text.encode()).hexdigest()


def computed(text: str) -> Tables:
    """The tables of a grammar, the same for the same text; a grammar that is ambiguous for them raises."""
    from lark import Lark  # only here: reading a policy does not need it

    lark = Lark(text, start=START, parser="lalr", lexer=_no_lexer(), strict=True)
    table = lark.parser.parser._parse_table
    rules = {rule: number for number, rule in enumerate(lark.rules)}
    order = list(_reached(table.states, table.start_states[START]))
    numbers = {state: number for number, state in enumerate(order)}
    actions = tuple(
        {
            kind: numbers[to] if action.name == "Shift" else -rules[to] - 1
            for kind, (action, to) in sorted(table.states[state].items())
        }
        for state in order
    )
    keywords = {re.sub(r"\\(.)", r"\1", t.pattern.value): t.name for t in lark.terminals}
    reductions = tuple(_reduction(rule) for rule in lark.rules)
    return Tables(actions, numbers[table.end_states[START]], reductions, dict(sorted(keywords.items())))


def _no_lexer() -> type:
    """Lark wants a lexer; the words are read elsewhere, so it has nothing to do."""
    from lark.lexer import Lexer

    class NoLexer(Lexer):
        def __init__(self, conf: Any) -> None:
            del conf

        def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[Any]:
            del lexer_state, parser_state
            return iter(())

    return NoLexer


def _reached(states: Mapping[int, Mapping[str, Any]], start: int) -> Iterator[int]:
    """The states in an order that does not depend on how Lark numbered them."""
    seen, waiting = {start}, [start]
    while waiting:
        state = waiting.pop(0)
        yield state
        for _, (action, to) in sorted(states[state].items(), key=lambda item: item[0]):
            if action.name == "Shift" and to not in seen:
                seen.add(to)
                waiting.append(to)


def _reduction(rule: Any) -> Reduction:
    empty = "".join(str(int(empty)) for empty in rule.options.empty_indices) or "0" * len(rule.expansion)
    missing = [len(ones) for ones in empty.split("0")]  # how many optional things are left out before each symbol
    children: list[int | None] = []
    for position, symbol in enumerate(rule.expansion):
        children += [None] * missing[position]
        if rule.options.keep_all_tokens or not (symbol.is_term and symbol.filter_out):
            children.append(position)
    children += [None] * missing[-1]
    name = str(rule.origin.name)
    build = None if name.startswith("_") else str(rule.alias or name)
    passes = bool(rule.options.expand1 and not rule.alias)
    return Reduction(name, len(rule.expansion), build, tuple(children), passes)


def kept_text() -> str:
    """What `tables.json` holds for the grammar as it is."""
    parts = asdict(computed(grammar()))
    lines = [f'"grammar": "{digest(grammar())}"', f'"final": {parts["final"]}']
    for name in ("keywords", "reductions", "actions"):
        rows = parts[name]
        if isinstance(rows, dict):
            lines.append(f'"{name}": {json.dumps(rows)}')
        else:
            lines.append(f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    Path(__file__).with_name(KEPT).write_text(kept_text(), encoding="utf-8")
