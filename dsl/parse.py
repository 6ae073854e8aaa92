"""From words to the syntax tree, one clause at a time. It never raises: every mistake becomes a diagnostic.

The LALR tables are Lark's; the words are fed to them by hand, so that a word is a keyword only where one can stand,
and so that one mistake does not hide the next: a clause with a mistake is mended where one word mends it, else it is
skipped up to the next line that begins a clause.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Tree, UnexpectedInput
from lark.lexer import Lexer
from lark.parsers.lalr_interactive_parser import InteractiveParser

from charter.dsl import syntax
from charter.dsl.build import build_clause
from charter.dsl.diagnostics import Code, Diagnostic, did_you_mean
from charter.dsl.source import Source, Span
from charter.dsl.tokens import Comment, Word, tokenize

MAX_DEPTH = 64
_END = "$END"
_UNITS = frozenset({"ms", "s", "min", "minute", "minutes", "h", "hour", "hours", "day", "days"})
_SPOKEN = {
    "NAME": "a name",
    "STRING": "a text in quotes",
    "NUMBER": "a number",
    "TIME": "a date",
    "UNIT": "a unit of time",
    "KNOWN_OP": "`known==`",
}
_CLOSERS = {"(": ")", "{": "}"}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file as far as it could be read."""

    document: syntax.Document
    words: tuple[Word, ...]
    comments: tuple[Comment, ...]
    diagnostics: tuple[Diagnostic, ...]


def parse(source: Source) -> Parsed:
    """Reads one policy file; `document` holds the clauses without mistakes."""
    words, comments, found = tokenize(source)
    deep = _too_deep(words)
    if deep is not None:
        return Parsed(syntax.Document(source.path, ()), tuple(words), tuple(comments), (*found, deep))
    reader = _Reader(_tables(), words, found)
    clauses = tuple(reader.clauses())
    return Parsed(syntax.Document(source.path, clauses), tuple(words), tuple(comments), tuple(found))


def clause_words() -> frozenset[str]:
    """The words that begin a clause."""
    return _tables().openers


# --- tables ----------------------------------------------------------------------------------------------------------


class _ByHand(Lexer):
    """Lark wants a lexer; the words are fed by hand, so it has nothing to do."""

    def __init__(self, conf: Any) -> None:
        del conf

    def lex(self, lexer_state: Any, parser_state: Any = None) -> Iterator[Token]:
        """No tokens."""
        del lexer_state, parser_state
        return iter(())


@dataclass(frozen=True, slots=True)
class _Tables:
    lark: Lark
    terminals: dict[str, str]  # text to terminal
    spelled: dict[str, str]  # terminal to text
    openers: frozenset[str]


@cache
def _tables() -> _Tables:
    grammar = files("charter.dsl").joinpath("grammar.lark").read_text(encoding="utf-8")
    lark = Lark(grammar, start="clause", parser="lalr", lexer=_ByHand, propagate_positions=True, strict=True)
    terminals = {re.sub(r"\\(.)", r"\1", t.pattern.value): t.name for t in lark.terminals}
    spelled = {name: text for text, name in terminals.items()}
    openers = frozenset(spelled[name] for name in lark.parse_interactive("").choices() if name in spelled)
    return _Tables(lark, terminals, spelled, openers)


# --- reading ---------------------------------------------------------------------------------------------------------


class _Reader:
    """A position in the words, and what was found so far."""

    def __init__(self, tables: _Tables, words: list[Word], found: list[Diagnostic]) -> None:
        self._tables = tables
        self._words = words
        self._found = found
        self._at = 0
        self._open_sections = 0

    def clauses(self) -> Iterator[syntax.Clause]:
        """The clauses that can be read."""
        while self._words[self._at].kind != "end":
            if self._words[self._at].text == "}" and self._open_sections:
                self._open_sections -= 1  # the end of a section that had a mistake
                self._at += 1
                continue
            tree = self._clause()
            if tree is not None:
                deep = _deepest(tree)
                if deep is None:
                    yield build_clause(tree, self._words[0].span.path)
                else:
                    self._found.append(deep)

    def _clause(self) -> "Tree[Token] | None":
        parser = self._tables.lark.parse_interactive("")
        start, mended = self._at, False
        while True:
            word = self._words[self._at]
            terminal = self._terminal(parser, word)
            # the tables may accept more here than the whole stack does, and feeding would spoil a clause that is whole
            ahead = parser.copy(deepcopy_values=False) if _END in parser.choices() else parser
            if terminal is not None and self._feeds(ahead, terminal, word):
                parser = ahead
                self._at += 1
                continue
            if ahead is not parser and self._at > start:
                done = _finished(parser)
                if done is not None:
                    return None if mended else done
            if self._mend(parser, start):
                mended = True
                continue
            self._skip(start)
            return None

    def _terminal(self, parser: InteractiveParser, word: Word) -> str | None:
        """The terminal that this word is here, or None where it cannot stand here."""
        choices = parser.choices()
        match word.kind:
            case "word":
                keyword = self._tables.terminals.get(word.text)
                if keyword in choices:
                    return keyword
                if "UNIT" in choices and word.text in _UNITS:
                    return "UNIT"
                return "NAME" if "NAME" in choices and word.text != "built-in" else None
            case "symbol":
                terminal = self._tables.terminals[word.text]
            case "known":
                terminal = "KNOWN_OP"
            case "end":
                return None
            case kind:
                terminal = kind.upper()
        return terminal if terminal in choices else None

    def _feeds(self, parser: InteractiveParser, terminal: str, word: Word) -> bool:
        at = word.span
        token = Token(terminal, word.text, 0, at.line, at.column, at.end_line, at.end_column, 0)
        try:
            parser.feed_token(token)
        except UnexpectedInput:
            return False
        return True

    # --- mistakes

    def _mend(self, parser: InteractiveParser, start: int) -> bool:
        """Reports the word that cannot stand here; true if one word more, less or changed lets reading go on."""
        word = self._words[self._at]
        wanted = self._wanted(parser)
        if self._at == start:
            self._report_opener(word)
            return False
        guess = get_close_matches(word.text, [w for w in wanted if w.isalpha()], n=1, cutoff=0.7)
        if word.kind == "word" and guess and self._survives(parser, guess[0], self._at + 1):
            self._report(word, wanted, f"did you mean `{guess[0]}`?")
            self._feeds(parser, self._tables.terminals[guess[0]], word)
            self._at += 1
            return True
        for text in (")", "}", ":", ",", "do", "=", "on", "{", "("):
            if text in wanted and self._survives(parser, text, self._at):
                self._report(word, [text], f"write `{text}` before it")
                self._feeds(parser, self._tables.terminals[text], word)
                return True
        self._report(word, wanted, self._quote_help(word))
        return False

    def _survives(self, parser: InteractiveParser, text: str, at: int) -> bool:
        """Whether reading goes on for three words from `at` once `text` stands before them."""
        trial = parser.copy(deepcopy_values=False)
        if not self._feeds(trial, self._tables.terminals[text], self._words[at - 1]):
            return False
        for word in self._words[at : at + 3]:
            terminal = self._terminal(trial, word)
            if terminal is None:
                return _END in trial.choices() and (word.kind == "end" or word.text in self._tables.openers)
            if not self._feeds(trial, terminal, word):
                return False
        return True

    def _wanted(self, parser: InteractiveParser) -> list[str]:
        accepted = parser.accepts()
        return sorted(self._tables.spelled.get(name, _SPOKEN.get(name, name)) for name in accepted if name != _END)

    def _report(self, word: Word, wanted: list[str], help_: str | None) -> None:
        here = word.span
        if word.first and self._at > 0:  # the mistake is at the end of the line before
            before = self._words[self._at - 1].span
            here = Span(before.path, before.end_line, before.end_column, before.end_line, before.end_column + 1)
        found = "the file ends" if word.kind == "end" else f"`{_short(word.text)}` stands"
        self._found.append(Diagnostic(Code.SYNTAX, f"{_either(wanted)} was expected where {found}", here, help_))

    def _report_opener(self, word: Word) -> None:
        message = f"`{_short(word.text)}` does not begin a clause and does not go on with the one before"
        help_ = did_you_mean(word.text, self._tables.openers) if word.kind == "word" else None
        self._found.append(Diagnostic(Code.SYNTAX, message, word.span, help_))

    def _quote_help(self, word: Word) -> str | None:
        if word.text in self._tables.terminals and word.text.isalpha():
            return f"`{word.text}` is a word of the language here"
        return None

    def _skip(self, start: int) -> None:
        """Moves to the next line that begins a clause; at least one word."""
        if self._words[start].text == "section":
            self._open_sections += 1
        self._at = max(self._at, start + 1)
        while True:
            word = self._words[self._at]
            closes = word.text == "}" and self._open_sections > 0 and word.first
            if word.kind == "end" or closes or (word.first and word.text in self._tables.openers):
                return
            self._at += 1


def _finished(parser: InteractiveParser) -> "Tree[Token] | None":
    try:
        tree = parser.copy(deepcopy_values=False).feed_eof()
    except UnexpectedInput:
        return None
    return tree if isinstance(tree, Tree) else None


def _too_deep(words: list[Word]) -> Diagnostic | None:
    depth = 0
    for word in words:
        if word.kind == "symbol":
            depth += (word.text in _CLOSERS) - (word.text in _CLOSERS.values())
            if depth > MAX_DEPTH:
                return Diagnostic(Code.NESTING, f"brackets are nested deeper than {MAX_DEPTH} levels", word.span)
    return None


def _deepest(tree: "Tree[Token]") -> Diagnostic | None:
    """Without recursion: a long sum or a row of `not` is deep without a bracket."""
    level: list[Tree[Token]] = [tree]
    for _ in range(MAX_DEPTH + 8):  # a clause is at most 8 levels above its expressions
        level = [child for node in level for child in node.children if isinstance(child, Tree)]
        if not level:
            return None
    meta = level[0].meta
    span = Span("", meta.line, meta.column, meta.end_line, meta.end_column)
    message = f"an expression is nested deeper than {MAX_DEPTH} levels"
    return Diagnostic(Code.NESTING, message, span, "split it with `define`; each term of a sum counts as a level")


def _either(wanted: list[str]) -> str:
    shown = [w if " " in w or w.startswith("`") else f"`{w}`" for w in wanted]
    if "`its`" in shown and "a number" in shown:  # an expression can begin here
        values = {"`-`", "`(`", "`false`", "`its`", "`not`", "`true`", "`unknown`", "`was`"}
        values |= {"a number", "a date", "a name", "a text in quotes"}
        shown = [*(w for w in shown if w not in values), "a value"]
    if not shown:
        return "nothing more"
    if len(shown) > 8:
        shown = [*shown[:8], "…"]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " or " + shown[-1]


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "…"
